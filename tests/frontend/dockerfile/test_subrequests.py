from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError, SourceError, UsageError
from llbuild.frontend import (
    CacheMount,
    LintResult,
    MoreNeeded,
    Needed,
    Outline,
    OutlineArg,
    Target,
)
from llbuild.frontend.dockerfile import FRONTEND
from llbuild.span import Span
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, request


def holding(dockerfile: str) -> MemoryLookup:
    return MemoryLookup({("dockerfile", "Dockerfile"): dockerfile.encode()})


def lint(dockerfile: str, **options: str) -> LintResult:
    assert FRONTEND.lint is not None
    return FRONTEND.lint(request(options), holding(dockerfile))


def outline(dockerfile: str, **options: str) -> Outline:
    assert FRONTEND.outline is not None
    return FRONTEND.outline(request(options), holding(dockerfile))


def targets(dockerfile: str) -> tuple[Target, ...]:
    assert FRONTEND.targets is not None
    return FRONTEND.targets(request(), holding(dockerfile))


def at(line: int, last: int = 0) -> Span:
    return Span("Dockerfile", line, 1, last or line)


STAGES = "FROM a AS one\nCMD x\nFROM b AS two\nENTRYPOINT y\nFROM c\nCMD z\n"


@pytest.mark.parametrize(("target", "lines"), [("", [2, 4, 6]), ("two", [4]), ("one", [2])])
def test_lint_looks_at_all_stages_or_at_what_the_target_needs(target: str, lines: list[int]) -> None:
    result = lint(STAGES, target=target) if target else lint(STAGES)
    assert [warning.at.line for warning in result.warnings if warning.at] == lines


def test_what_is_wrong_in_the_file_is_a_result_of_lint() -> None:
    result = lint("FROM a AS B\nCOPY x\n")
    assert [warning.rule for warning in result.warnings] == ["StageNameCasing"]
    assert isinstance(result.error, DockerfileError)
    assert result.error.at.line == 2
    assert lint("# check=error=true\nFROM a AS B\n").error is not None
    assert lint("FROM a\n") == LintResult()


def test_lint_refuses_nothing_for_not_being_built_yet() -> None:
    assert lint("FROM a\nRUN --security=insecure --mount=type=ssh x\nADD https://example.com/x /\n").error is None


def test_a_file_or_an_option_that_cannot_be_read_is_no_result() -> None:
    assert FRONTEND.lint is not None
    with pytest.raises(SourceError):
        FRONTEND.lint(request(), MemoryLookup())
    with pytest.raises(UsageError):
        lint("FROM a\n", **{"build-arg:BUILDKIT_DOCKERFILE_CHECK": "nonsense"})


def test_what_is_not_known_yet_is_asked_for() -> None:
    lookup = holding(STAGES)
    lookup.slow = True
    assert FRONTEND.lint is not None
    rounds = 0
    while True:
        try:
            result = FRONTEND.lint(request(), lookup)
            break
        except MoreNeeded:
            rounds += 1
    assert rounds < 5
    assert len(result.warnings) == 3


@pytest.mark.parametrize(
    ("dockerfile", "args"),
    [
        ("ARG A=1\nFROM x\n", []),
        ("ARG A=1\nFROM x:$A\n", [OutlineArg(name="A", value="1", at=at(1))]),
        (
            "ARG A=1\n# B is both\nARG B=$A-2 C\nFROM x:$B\n",
            [
                OutlineArg(name="A", value="1", at=at(1)),
                OutlineArg(name="B", value="1-2", description="is both", at=at(3)),
            ],
        ),
        ("FROM --platform=$BUILDPLATFORM x\n", []),
        ("ARG A=1\nFROM x\nARG A\n", [OutlineArg(name="A", value="1", at=at(1))]),
        ("ARG A=1\nFROM x\nARG A=2\n", [OutlineArg(name="A", value="2", at=at(3))]),
        ("FROM x\nARG A B=1 TARGETOS\n", [OutlineArg(name="A", at=at(2)), OutlineArg(name="B", value="1", at=at(2))]),
        (
            "FROM x AS b\nARG A=1\nFROM y AS c\nARG A=2 B\nFROM b\nCOPY --from=c / /\n",
            [OutlineArg(name="A", value="1", at=at(2)), OutlineArg(name="B", at=at(4))],
        ),
        ("FROM x AS unused\nARG A=1\nFROM y\n", []),
        ("ARG A=1\nARG A=$A-2\nFROM x:$A\n", [OutlineArg(name="A", value="1-2", at=at(2))]),
    ],
)  # fmt: skip
def test_an_outline_has_the_arguments_that_matter(dockerfile: str, args: list[OutlineArg]) -> None:
    assert sorted(outline(dockerfile).args, key=lambda arg: arg.name) == args


def test_a_build_argument_shows_in_the_outline_and_needs_nothing_else() -> None:
    dockerfile = "ARG A=1\nARG B=$A\nFROM x:$B\nARG C=3\n"
    found = outline(dockerfile, **{"build-arg:B": "given", "build-arg:C": "too"}).args
    assert [(arg.name, arg.value) for arg in found] == [("B", "given"), ("C", "too")]


def test_an_outline_has_what_steps_must_be_given() -> None:
    dockerfile = """\
# base has the tools
FROM a AS base
RUN --mount=type=secret,id=token,required --mount=type=cache,target=/cache \\
    --mount=type=cache,id=other,target=/cache2 x
RUN --mount=type=secret,id=token --mount=type=secret,id=key,env=KEY --mount=type=ssh x
RUN --mount=type=ssh,id=git,required x
"""
    assert outline(dockerfile) == Outline(
        name="base",
        description="has the tools",
        secrets=(Needed(name="token", required=True, at=at(3, 4)), Needed(name="key", at=at(5))),
        ssh=(Needed(name="default", at=at(5)), Needed(name="git", required=True, at=at(6))),
        cache=(CacheMount(id="/cache", at=at(3, 4)), CacheMount(id="other", at=at(3, 4))),
    )


def test_findings_do_not_keep_an_outline_from_being_made() -> None:
    assert outline("# check=error=true\nFROM a\nCMD x\n") == Outline()


def test_targets_are_the_stages_as_written() -> None:
    dockerfile = """\
ARG TAG=1
# one is first
# and more
FROM --platform=$BUILDPLATFORM a:${TAG} AS One
RUN x
# something
FROM one
# three ends it
FROM scratch AS three
"""
    assert targets(dockerfile) == (
        Target(name="one", description="is first", base="a:${TAG}", platform="$BUILDPLATFORM", at=at(4)),
        Target(base="one", at=at(7)),
        Target(name="three", description="ends it", base="scratch", default=True, at=at(9)),
    )


def test_targets_need_the_file_only() -> None:
    lookup = holding("FROM a\n")
    assert FRONTEND.targets is not None
    FRONTEND.targets(request(), lookup)
    assert lookup.asked == ["dockerfile:Dockerfile"]
