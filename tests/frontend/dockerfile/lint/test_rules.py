"""Where each rule fires, and where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.errors import DockerfileError
from llbuild.frontend.dockerfile.lint.linter import MAX_FINDINGS
from llbuild.frontend.dockerfile.lint.rules import RULES
from llbuild.frontend.dockerfile.subrequests import lint_request
from llbuild.span import Span
from llbuild.tests.frontend.dockerfile.kit import ARM64, BASE, MemoryLookup, compile_all, request
from llbuild.values import replace

if TYPE_CHECKING:
    from llbuild.frontend import BuildWarning

# (rule, Dockerfile, lines at which the rule fires)
CASES: list[tuple[str, str, list[int]]] = [
    ("StageNameCasing", "FROM a AS Base\nFROM b AS base2\n", [1]),
    ("StageNameCasing", "FROM A/b AS x\n", []),
    ("FromAsCasing", "FROM a as b\nfrom c AS d\nFROM e AS f\nfrom g as h\n", [1, 2]),
    ("FromAsCasing", "From a as b\n", []),  # whose case should AS have?
    ("FromAsCasing", "FROM a As b\n", [1]),
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n  y\nRUN x \\\n# said\n  y\n", [4]),
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n  y <<E\nz\nE\n", [4]),  # the body is no part of it
    ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n\n", [4]),
    ("ConsistentInstructionCasing", "FROM a\nrun x\nRUN y\n", [2]),
    ("ConsistentInstructionCasing", "from a\nrun x\nRUN y\n", [3]),
    ("ConsistentInstructionCasing", "FROM a\nrun x\n", [2]),  # a tie is for upper case
    ("ConsistentInstructionCasing", "from a\nrun x\nRun y\n", [3]),
    ("ConsistentInstructionCasing", "arg x=1\narg y=1\nFROM a\nRUN x\n", []),  # before the first FROM nobody counts
    ("DuplicateStageName", "FROM a AS x\nFROM b AS X\nFROM c AS x\n", [2, 3]),
    ("ReservedStageName", "FROM a AS scratch\nFROM b AS context\nFROM c AS contexts\n", [1, 2]),
    ("JSONArgsRecommended", "FROM a\nCMD x\nENTRYPOINT y\n", [2, 3]),
    ("JSONArgsRecommended", 'FROM a\nCMD ["x"]\nENTRYPOINT ["y"]\nRUN z\nHEALTHCHECK CMD w\n', []),
    ("JSONArgsRecommended", 'FROM a AS b\nSHELL ["/bin/bash"]\nCMD x\nFROM b\nENTRYPOINT y\n', []),
    ("MaintainerDeprecated", "FROM a\nMAINTAINER me\nmaintainer me\n", [2, 3]),
    ("UndefinedArgInFrom", "ARG A=1\nFROM x:$A$B\nFROM --platform=$C y\n", [2, 3]),
    ("UndefinedArgInFrom", "ARG A\nFROM x$A\nFROM --platform=$BUILDPLATFORM y$TARGETARCH$TARGETSTAGE\n", []),
    ("UndefinedVar", "FROM a\nENV A=$B\nLABEL l=${C:-d}\nUSER $A\nWORKDIR /$D\nVOLUME /$E\n", [2, 3, 5, 6]),
    ("UndefinedVar", "FROM a\nCOPY --chown=$A $B /$C\nADD --chmod=7$D a /$D\nSTOPSIGNAL 9$E\n", [2, 2, 2, 3, 3, 4]),
    ("UndefinedVar", "FROM a\nARG B\nENV A=$B$B$C$C D=$C\n", [3, 3]),  # once a word
    ("UndefinedVar", "FROM a\nARG A=$A B=$A\n", [2]),
    ("UndefinedVar", "FROM a\nRUN echo $X\nCMD echo $X\nEXPOSE 80$X\nONBUILD ENV a=$X\nHEALTHCHECK CMD $X\n", []),
    ("UndefinedVar", "FROM a\nRUN --mount=type=cache,target=/$X true\n", [2]),
    ("UndefinedVar", "FROM a\nCOPY <<E <<'F' /\n$X\nE\n$Y\nF\n", [2]),
    ("UndefinedVar", "FROM a\nENV A=1 \\\n  B=$C\n", [2]),  # the instruction's line
    ("UndefinedVar", "FROM a AS b\nARG X\nFROM b\nENV Y=$X$PATH\n", []),
    ("UndefinedVar", "FROM a\nENV P=$BUILDKIT_SBOM_SCAN_STAGE\n", []),
    ("UndefinedVar", "FROM a\nLABEL a='$X' b=\\$X c=\"$X\"\n", [2]),
    ("InvalidDefaultArgInFrom", "ARG T\nFROM x:${T}\nFROM $U\nFROM y:${V:-1}\n", [2, 3]),
    ("InvalidDefaultArgInFrom", "ARG N=a\nARG M=$N:1\nFROM $M\n", []),
    ("WorkdirRelativePath", "FROM a\nWORKDIR b\nWORKDIR c\n", [2]),
    ("WorkdirRelativePath", "FROM a AS b\nWORKDIR /c\nFROM b\nWORKDIR d\nFROM a\nWORKDIR e\n", [6]),
    ("WorkdirRelativePath", "FROM a\nENV D=/d\nWORKDIR $D\n", []),
    ("MultipleInstructionsDisallowed", "FROM a\nCMD [\"1\"]\nENTRYPOINT []\nCMD [\"2\"]\nCMD [\"3\"]\n", [2, 4]),
    ("MultipleInstructionsDisallowed", "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x\n", [2]),
    ("MultipleInstructionsDisallowed", 'FROM a AS b\nCMD ["1"]\nFROM b\nCMD ["2"]\n', []),
    ("LegacyKeyValueFormat", "FROM a\nENV A b\nLABEL c d\nENV A=b\nLABEL c=d\n", [2, 3]),
    ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM a\nFROM --platform=${TARGETPLATFORM} b\n", [1, 2]),
    ("RedundantTargetPlatform", "FROM --platform=$BUILDPLATFORM a\nFROM --platform=$TARGETOS/$TARGETARCH b\n", []),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/arm64 a\nFROM --platform=$BUILDPLATFORM b\n", [1]),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/arm64 a AS x-arm64\nFROM x-arm64 AS linux\n", []),
    ("SecretsUsedInArgOrEnv", "FROM a\nARG API_KEY MONKEY key_file\nENV x_Passwd=1 TOKENS=1 auth=2\n", [2, 3, 3]),
    ("SecretsUsedInArgOrEnv", "ARG TOKEN\nFROM a\nENV PUBLIC_KEY=1 KEY_VERSION=1\nLABEL secret=1\n", []),
    ("SecretsUsedInArgOrEnv", "FROM a\nENV A=SECRET\nENV $A=1\n", [3]),
    ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TCP 81/tcp 82/Udp\n", [2, 2]),
    ("ExposeInvalidFormat", "FROM a\nEXPOSE 1.2.3.4:80:80 8080:80 80\n", [2, 2]),
]  # fmt: skip


def fired(warnings: tuple[BuildWarning, ...]) -> list[tuple[str, int]]:
    return [(warning.rule, warning.at.line if warning.at is not None else 0) for warning in warnings]


def lint(dockerfile: str, lookup: MemoryLookup | None = None, **options: str) -> tuple[BuildWarning, ...]:
    """All findings of the last stage, also of a file that turns out to be wrong."""
    try:
        return compile_all(dockerfile, options, lookup, everything=True).warnings
    except DockerfileError as error:
        return error.warnings


@pytest.mark.parametrize(("rule", "dockerfile", "lines"), CASES)
def test_a_rule_fires_at_these_lines(rule: str, dockerfile: str, lines: list[int]) -> None:
    found = lint_request(request(), MemoryLookup({("dockerfile", "Dockerfile"): dockerfile.encode()})).warnings
    assert [line for name, line in fired(found) if name == rule] == lines


def test_every_rule_has_a_case() -> None:
    elsewhere = {"CopyIgnoredFile", "InvalidBaseImagePlatform", "InvalidDefinitionDescription"}
    assert {rule for rule, _, lines in CASES if lines} == RULES.keys() - elsewhere


@pytest.mark.parametrize(
    ("ignore", "instruction", "fires"),
    [
        ("*.md", "COPY a.md /", True),
        ("*.md", "ADD a.md b.txt /", True),
        ("*.md", "COPY *.md /", True),
        ("docs", "COPY docs/a/b /", True),
        ("docs", "COPY ./docs/ /", True),
        ("docs", "COPY doc /", False),
        ("docs\n!docs/a", "COPY docs/b /", False),
        ("a", "COPY . /", False),
        ("*", "COPY . /", True),
        ("**/*", "COPY / /", True),
        ("*.md", "COPY --from=other a.md /", False),
        ("*.md", "ADD https://example.com/a.md /", False),
        ("*.md", "COPY <<a.md /\nx\na.md", False),
        ("docs", "COPY /docs /", False),  # BuildKit compares the path as it stands
    ],
)
def test_a_copy_of_what_is_ignored_is_found(ignore: str, instruction: str, fires: bool) -> None:
    lookup = MemoryLookup({("context", ".dockerignore"): ignore.encode()})
    assert fired(lint(f"FROM a\n{instruction}\n", lookup)) == [("CopyIgnoredFile", 2)] * fires


def test_an_image_for_another_platform_is_found() -> None:
    lookup = MemoryLookup(images={"docker.io/library/a:latest": replace(BASE, platform=ARM64)})
    assert [(warning.rule, warning.message) for warning in lint("FROM a\n", lookup, platform="linux/s390x")] == [
        ("InvalidBaseImagePlatform", "the base image a is for linux/arm64, but this build is for linux/s390x")
    ]
    assert not lint("FROM a\n", lookup, platform="linux/arm64")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# what it is\nFROM a AS b\n", [3]),
        ("# b what it is\nFROM a AS b\n", []),
        ("# what it is\nFROM a\n", []),
        ("# b what it is\n# and more\nFROM a AS b\n", [4]),
        ("# what it is\n#\nFROM a AS b\n", []),
        ("# what it is\n\nFROM a AS b\n", [4]),  # an empty line does not set it apart, in BuildKit neither
        ("# x it is\nARG y=1 x=2\nFROM a AS b\n", []),
        ("# z it is\nARG y=1 x=2\nFROM a AS b\n", [3]),
    ],
)
def test_a_comment_that_describes_nothing_is_found_when_asked_for(text: str, lines: list[int]) -> None:
    assert not lint(text)
    found = lint("# check=experimental=all\n" + text)
    assert fired(found) == [("InvalidDefinitionDescription", line) for line in lines]


def test_only_stages_that_are_needed_are_run_through() -> None:
    dockerfile = "FROM a AS Unused\nCMD x\nFROM b\nENV A b\n"
    assert fired(lint(dockerfile)) == [("StageNameCasing", 1), ("LegacyKeyValueFormat", 4)]


def test_a_trigger_is_looked_at_where_it_runs() -> None:
    dockerfile = "FROM a AS base\nONBUILD CMD x\nFROM b\nFROM base\n"
    assert fired(lint(dockerfile)) == [("JSONArgsRecommended", 4)]


def test_of_several_platforms_the_first_is_looked_at() -> None:
    assert fired(lint("FROM a\nCMD x\n", platform="linux/amd64,linux/arm64")) == [("JSONArgsRecommended", 2)]


@pytest.mark.parametrize(
    ("dockerfile", "found"),
    [
        ("FROM a AS B\nENV A b\nMAINTAINER\n", [("StageNameCasing", 1), ("MaintainerDeprecated", 3)]),
        ("FROM a AS B\nRUN --x y\n", [("StageNameCasing", 1)]),
        ("FROM a\nENV A ${X?}\n", [("UndefinedVar", 2)]),
        ("FROM a\nENV A=${X:!}\n", [("UndefinedVar", 2)]),
        ("FROM a\nEXPOSE 1-2:3-5/UDP\n", [("ExposeProtoCasing", 2), ("ExposeInvalidFormat", 2)]),
        ("FROM $X\n", [("InvalidDefaultArgInFrom", 1), ("UndefinedArgInFrom", 1)]),
    ],
)
def test_what_was_found_before_an_error_comes_with_it(dockerfile: str, found: list[tuple[str, int]]) -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_all(dockerfile)
    assert fired(caught.value.warnings) == found


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM a AS B\n", "stage name 'B' has capitals; write it in lower case"),
        ("ARG TAG=1\nFROM a:${TGA:-x}\n", "FROM uses the argument 'TGA', which is not declared (did you mean TAG?)"),
        ("FROM a\nENV HOMES=/x\nWORKDIR $HOMS\n", "the variable '$HOMS' is not defined (did you mean $HOMES?)"),
        ("FROM a\nWORKDIR /$NOTHING\n", "the variable '$NOTHING' is not defined"),
        ("FROM a\nENV {0} {x}\n", "'ENV key value' is the old form; write 'ENV key=value'"),
    ],
)
def test_a_finding_says_what_it_is_about(dockerfile: str, message: str) -> None:
    assert lint(dockerfile)[0].message == message


@pytest.mark.parametrize(
    ("dockerfile", "focus"),
    [
        ("FROM a AS Base\n", (1, 11, 15)),
        ("FROM a as base\n", (1, 8, 10)),
        ("FROM a\nrun x\n", (2, 1, 4)),
        ("FROM a\nWORKDIR  b\n", (2, 10, 11)),
        ("FROM a\nENV A=x$BC B=${B}\n", (2, 8, 11)),
        ("FROM a\nENV A=${B:-x}\n", (2, 7, 10)),
        ('FROM a\nLABEL a=1 \\\n   b="$A$AB $B" \\\n  c=1\n', (3, 7, 9)),
        ("FROM a\nENV A=$BC$B BC=1\n", (2, 10, 12)),
        ("FROM a\nEXPOSE 80 81/UDP\n", (2, 11, 17)),
        ("FROM --platform=linux/arm64 a\n", (1, 17, 28)),
        ("FROM a\nCMD  exec x\n", (2, 6, 12)),
        ("FROM a\nARG x NPM_TOKEN=1\n", (2, 7, 16)),
        ('FROM a\nVOLUME ["/$X"]\n', (2, 9, 14)),  # JSON: the element
    ],
)
def test_a_finding_points_at_the_words(dockerfile: str, focus: tuple[int, int, int]) -> None:
    warning = lint(dockerfile)[0]
    line, column, end = focus
    assert warning.focus == Span("Dockerfile", line, column, line, end)


def test_findings_are_bounded_however_long_the_file_is() -> None:
    words = " ".join(f"l{number}=$v{number}" for number in range(1000))
    assert len(lint("FROM a\n" + f"LABEL {words}\n" * 4)) == 4000
    assert len(lint("FROM a\n" + f"LABEL {words}\n" * 9)) == MAX_FINDINGS


def test_suggestions_stop_when_they_have_cost_enough() -> None:
    names = "".join(f"ENV A_LONG_NAME_{number}=1\n" for number in range(2000))
    found = lint(f"FROM a\n{names}" + "LABEL x=$A_LONG_NAME_X\n" * 10)
    hints = ["did you mean" in warning.message for warning in found]
    assert hints[0]
    assert not hints[-1]


def test_a_very_deep_path_is_not_compared() -> None:
    lookup = MemoryLookup({("context", ".dockerignore"): b"a\n"})
    assert fired(lint(f"FROM a\nCOPY {'a/' * 100} /\n", lookup)) == [("CopyIgnoredFile", 2)]
    lookup = MemoryLookup({("context", ".dockerignore"): b"a\n"})
    assert fired(lint(f"FROM a\nCOPY {'a/' * 30000} /\n", lookup)) == []
