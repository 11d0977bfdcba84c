from __future__ import annotations

import json

from llbuild.cli.findings import findings_github, findings_json, findings_plain
from llbuild.errors import BuildWarning, DockerfileError
from llbuild.frontend import LintResult
from llbuild.span import Span

SOURCE = "FROM busybox AS Build\nRUN a \\\n  b\nCMD x\n"
LATER = BuildWarning(
    rule="JSONArgsRecommended",
    message="use JSON",
    at=Span("Dockerfile", 4, 1, 4),
    url="docs/rules/JSONArgsRecommended.md",
    description="JSON it is",
    focus=Span("Dockerfile", 4, 5, 4, 6),
)
EARLIER = BuildWarning(rule="Other", message="50% of it: a,b\nis off", at=Span("Dockerfile", 2, 1, 3))
ERROR = DockerfileError("wrong", at=Span("Dockerfile", 4, 1, 4, 4), hint="mend it")
RESULT = LintResult(warnings=(LATER, EARLIER), error=ERROR)


def test_people_get_findings_in_order_of_the_file() -> None:
    assert (
        findings_plain(RESULT, {"Dockerfile": SOURCE})
        == """\
2 warnings found:
 - Other: 50% of it: a,b
  is off (Dockerfile:2)
Dockerfile:2
--------------------
   1 |     FROM busybox AS Build
   2 | >>> RUN a \\
   3 | >>>   b
   4 |     CMD x
--------------------
 - JSONArgsRecommended: use JSON (Dockerfile:4)
   see docs/rules/JSONArgsRecommended.md
Dockerfile:4
--------------------
   2 |     RUN a \\
   3 |       b
   4 | >>> CMD x
     |         ^
--------------------
"""
    )


def test_people_see_every_place_however_many_there_are() -> None:
    assert findings_plain(LintResult(warnings=(EARLIER,) * 30), {"Dockerfile": SOURCE}).count(">>> RUN") == 30


def test_people_are_told_that_there_is_nothing() -> None:
    assert findings_plain(LintResult(), {}) == "no findings\n"
    assert findings_plain(LintResult(error=ERROR), {}) == ""


def test_programs_get_buildkits_form() -> None:
    assert json.loads(findings_json(RESULT, "Dockerfile", b"FROM a\n")) == {
        "warnings": [
            {
                "ruleName": "JSONArgsRecommended",
                "description": "JSON it is",
                "url": "docs/rules/JSONArgsRecommended.md",
                "detail": "use JSON",
                "location": {"ranges": [{"start": {"line": 4}, "end": {"line": 4}}]},
                "focus": {"line": 4, "column": 5, "endLine": 4, "endColumn": 6},
            },
            {
                "ruleName": "Other",
                "detail": "50% of it: a,b\nis off",
                "location": {"ranges": [{"start": {"line": 2}, "end": {"line": 3}}]},
            },
        ],
        "sources": [{"filename": "Dockerfile", "language": "Dockerfile", "data": "RlJPTSBhCg=="}],
        "buildError": {
            "message": "wrong",
            "location": {"ranges": [{"start": {"line": 4}, "end": {"line": 4}}]},
        },
    }
    assert json.loads(findings_json(LintResult(), "D", b""))["warnings"] == []


def test_github_gets_commands_that_nothing_can_break_out_of() -> None:
    odd = BuildWarning(rule="a,b:c", message="x", at=Span("D,\n:1", 1, 1, 1))
    assert findings_github(LintResult(warnings=(LATER, EARLIER, odd), error=ERROR), "./app/") == (
        "::warning file=app/D%2C%0A%3A1,line=1,endLine=1,title=a%2Cb%3Ac::x\n"
        "::warning file=app/Dockerfile,line=2,endLine=3,title=Other::50%25 of it: a,b%0Ais off\n"
        "::warning file=app/Dockerfile,line=4,endLine=4,col=5,endColumn=5,title=JSONArgsRecommended::use JSON\n"
        "::error file=app/Dockerfile,line=4,endLine=4,col=1,endColumn=3,title=Dockerfile::wrong%0Ahint: mend it\n"
    )
    assert findings_github(LintResult(warnings=(BuildWarning(rule="R", message="m"),)), ".") == "::warning title=R::m\n"
