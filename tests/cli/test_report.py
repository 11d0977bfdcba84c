from __future__ import annotations

import pytest
from llbuild.cli.report import BuildFacts, StepFacts, excerpt, render_error, render_warnings
from llbuild.errors import (
    BuildError,
    ConfigError,
    DockerfileError,
    ExecError,
    LlbuildError,
    SandboxError,
    SourceError,
    VertexError,
)
from llbuild.frontend import BuildWarning
from llbuild.span import Span
from llbuild.tests.cli.recorded import digest

DOCKERFILE = """\
FROM busybox AS build
WORKDIR /src
ENV A=b
COPY . .
RUN make
RUN <<EOF
one
two
EOF
\tCMD ["x"]
"""
SOURCES = {"Dockerfile": DOCKERFILE}
MAKE = digest("make")
FACTS = BuildFacts(
    sources=SOURCES,
    steps={
        MAKE: StepFacts(
            name="[build 4/5] RUN make",
            at=Span("Dockerfile", 5),
            output=("0.101 cc hello.c", "0.120 hello.c:1: error: \x1b[2Jno"),
        ),
        digest("quiet"): StepFacts(name="[build 3/5] COPY . .", at=Span("Dockerfile", 4)),
        digest("nowhere"): StepFacts(name="exporting"),
    },
)


def caused(error: LlbuildError, cause: BaseException) -> LlbuildError:
    error.__cause__ = cause
    return error


CASES = [
    (
        BuildError(
            [
                ExecError("make exited with code 2", vertex=MAKE, exit_code=2, hint="look above"),
                VertexError("cannot copy", vertex=digest("quiet")),
            ]
        ),
        """\
------
 > [build 4/5] RUN make:
0.101 cc hello.c
0.120 hello.c:1: error: no
------
Dockerfile:5
--------------------
   3 |     ENV A=b
   4 |     COPY . .
   5 | >>> RUN make
   6 |     RUN <<EOF
   7 |     one
--------------------
error: [build 4/5] RUN make: make exited with code 2
hint: look above

Dockerfile:4
--------------------
   2 |     WORKDIR /src
   3 |     ENV A=b
   4 | >>> COPY . .
   5 |     RUN make
   6 |     RUN <<EOF
--------------------
error: [build 3/5] COPY . .: cannot copy

error: 2 steps failed
""",
    ),
    (
        ConfigError("unknown key 'x'", at=Span("c.toml", 2, 1, 2, 2), source="[build]\nx = 1\n", hint="known is y"),
        """\
c.toml:2
--------------------
   1 |     [build]
   2 | >>> x = 1
     |     ^
--------------------
error: c.toml:2:1: unknown key 'x'
hint: known is y
""",
    ),
    (LlbuildError("something is off"), "error: something is off\n"),
    (LlbuildError("off", hint="turn it on"), "error: off\nhint: turn it on\n"),
    (
        SourceError("two\nlines \x1b[31mred", ref="x"),
        "error: two\n  lines red\n",
    ),
    (
        ExecError(
            'process "/bin/sh -c make" exited with code 2', vertex=MAKE, exit_code=2, hint="look at the output above"
        ),
        """\
------
 > [build 4/5] RUN make:
0.101 cc hello.c
0.120 hello.c:1: error: no
------
Dockerfile:5
--------------------
   3 |     ENV A=b
   4 |     COPY . .
   5 | >>> RUN make
   6 |     RUN <<EOF
   7 |     one
--------------------
error: [build 4/5] RUN make: process "/bin/sh -c make" exited with code 2
hint: look at the output above
""",
    ),
    (
        caused(
            VertexError("failed", vertex=digest("quiet")),
            SourceError("context/a.txt: no such file", ref="context", hint="check .dockerignore"),
        ),
        """\
Dockerfile:4
--------------------
   2 |     WORKDIR /src
   3 |     ENV A=b
   4 | >>> COPY . .
   5 |     RUN make
   6 |     RUN <<EOF
--------------------
error: [build 3/5] COPY . .: failed: context/a.txt: no such file
hint: check .dockerignore
""",
    ),
    (
        caused(
            VertexError("exporting failed", vertex=digest("nowhere")), PermissionError(13, "Permission denied", "/x")
        ),
        "error: exporting failed: /x: Permission denied\n",
    ),
    (VertexError("a vertex nobody knows", vertex=digest("?")), "error: a vertex nobody knows\n"),
    (
        DockerfileError("unknown instruction 'RUNN'", at=Span("Dockerfile", 1, 6, 1, 13), hint="did you mean RUN?"),
        """\
Dockerfile:1
--------------------
   1 | >>> FROM busybox AS build
     |          ^^^^^^^
   2 |     WORKDIR /src
   3 |     ENV A=b
--------------------
error: Dockerfile:1:6: unknown instruction 'RUNN'
hint: did you mean RUN?
""",
    ),
    (
        DockerfileError("heredoc never ends", at=Span("Dockerfile", 6, 5, 9)),
        """\
Dockerfile:6
--------------------
   5 |     RUN make
   6 | >>> RUN <<EOF
     |         ^
   7 | >>> one
   8 | >>> two
   9 | >>> EOF
  10 |             CMD ["x"]
--------------------
error: Dockerfile:6:5: heredoc never ends
""",
    ),
    (
        DockerfileError("odd", at=Span("Dockerfile", 10, 2, 10, 5)),
        """\
Dockerfile:10
--------------------
   8 |     two
   9 |     EOF
  10 | >>>         CMD ["x"]
     |             ^^^
--------------------
error: Dockerfile:10:2: odd
""",
    ),
    (
        caused(SandboxError("cannot compile"), DockerfileError("odd", at=Span("Dockerfile", 1))),
        """\
Dockerfile:1
--------------------
   1 | >>> FROM busybox AS build
     |     ^
   2 |     WORKDIR /src
   3 |     ENV A=b
--------------------
error: cannot compile: Dockerfile:1:1: odd
""",
    ),
    (DockerfileError("gone", at=Span("Elsewhere", 3)), "error: Elsewhere:3:1: gone\n"),
    (DockerfileError("past the end", at=Span("Dockerfile", 99)), "error: Dockerfile:99:1: past the end\n"),
]


@pytest.mark.parametrize(("error", "want"), CASES)
def test_a_report_tells_the_whole_story(error: LlbuildError, want: str) -> None:
    assert render_error(error, FACTS) == want


def test_a_report_needs_no_facts() -> None:
    assert render_error(ExecError("exited with code 1", vertex=MAKE, exit_code=1)) == "error: exited with code 1\n"


def test_a_long_place_is_cut() -> None:
    source = "".join(f"line {number}\n" for number in range(1, 101))
    lines = excerpt(source, Span("f", 10, 1, 90), caret=None).splitlines()
    assert lines[2] == "   9 |     line 9"
    assert lines[3] == "  10 | >>> line 10"
    assert lines[-3] == "  33 | >>> line 33"
    assert lines[-2] == "     |     … 57 more lines"


def test_a_caret_stands_under_wide_characters_and_in_long_lines() -> None:
    at = Span("f", 1, 11, 1, 12)
    wide = excerpt("LABEL 文字=x y\n", at, caret=at).splitlines()
    assert wide[2] == "   1 | >>> LABEL 文字=x y"
    assert wide[3] == "     |                 ^"
    at = Span("f", 1, 5001, 1, 5005)
    long = excerpt("x" * 5000 + "HERE" + "y" * 5000, at, caret=at).splitlines()
    column = long[2].index("HERE")
    assert long[3] == " " * 5 + "|" + " " * (column - 6) + "^^^^"
    assert len(long[2]) < 200


def test_control_characters_of_a_build_file_stay_in_it() -> None:
    at = Span("f", 1, 9, 1, 13)
    text = excerpt("RUN \x1b[2Jecho\x07\n", at, caret=at)
    assert "\x1b" not in text
    assert text.splitlines()[2:4] == ["   1 | >>> RUN \ufffd[2Jecho\ufffd", "     |             ^^^^"]


def test_the_caret_may_stand_under_a_later_line_of_the_place() -> None:
    lines = excerpt("RUN a \\\n  $B\n", Span("f", 1, 1, 2), caret=Span("f", 2, 3, 2, 5)).splitlines()
    assert lines[2:5] == ["   1 | >>> RUN a \\", "   2 | >>>   $B", "     |       ^^"]


def test_warnings_are_counted_and_placed() -> None:
    warnings = [
        BuildWarning(
            rule="FromAsCasing",
            message="'as' and 'FROM' differ",
            at=Span("Dockerfile", 1),
            url="https://x/y",
            focus=Span("Dockerfile", 1, 14, 1, 16),
        ),
        BuildWarning(rule="Other", message="without a place"),
    ]
    assert (
        render_warnings(warnings, SOURCES)
        == """
2 warnings found:
 - FromAsCasing: 'as' and 'FROM' differ (Dockerfile:1)
   see https://x/y
Dockerfile:1
--------------------
   1 | >>> FROM busybox AS build
     |                  ^^
   2 |     WORKDIR /src
   3 |     ENV A=b
--------------------
 - Other: without a place
"""
    )
    assert render_warnings([], SOURCES) == ""
