from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError, UsageError
from llbuild.frontend.dockerfile.lint.config import inline_check, parse_check
from llbuild.frontend.dockerfile.lint.linter import LintConfig
from llbuild.span import Span
from llbuild.tests.frontend.dockerfile.kit import compile_all

BAD = "FROM a AS B\nENV A b\nCMD x\n"
ALL = ["StageNameCasing", "LegacyKeyValueFormat", "JSONArgsRecommended"]
ARGUMENT = "build-arg:BUILDKIT_DOCKERFILE_CHECK"


def rules(dockerfile: str, **options: str) -> list[str]:
    return [warning.rule for warning in compile_all(dockerfile, options).warnings]


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("", LintConfig()),
        ("skip=A", LintConfig(skip=frozenset({"A"}))),
        (" skip = A , B ; error = true ", LintConfig(skip=frozenset({"A", "B"}), error=True)),
        ("skip=all", LintConfig(skip_all=True)),
        ("experimental=all;error=0", LintConfig(experimental_all=True)),
        ("experimental=A;skip=all;error=T", LintConfig(experimental=frozenset({"A"}), skip_all=True, error=True)),
        ("skip=A;skip=B", LintConfig(skip=frozenset({"B"}))),
        ("skip=Nonsense", LintConfig(skip=frozenset({"Nonsense"}))),
    ],
)
def test_settings_are_read(text: str, config: LintConfig) -> None:
    assert parse_check(text) == config


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("skp=A", "'skp=A' is no setting", "did you mean skip?"),
        ("skip", "'skip' is no setting", "skip=RULE"),
        ("skip=A;", "'' is no setting", "joined by ';'"),
        ("error=yes", "error is true or false, not 'yes'", "error=true"),
        ("a=1;b=2;c=3;d=4", "'a=1' is no setting", ""),
    ],
)
def test_a_wrong_setting_is_an_error_at_its_line(text: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_all(f"# syntax=x\n# check={text}\n{BAD}")
    assert caught.value.message == f"check: {message}"
    assert caught.value.at == Span("Dockerfile", 2)
    assert hint in caught.value.hint
    with pytest.raises(UsageError) as usage:
        compile_all(BAD, {ARGUMENT: text})
    assert usage.value.message == f"build argument BUILDKIT_DOCKERFILE_CHECK: {message}"


@pytest.mark.parametrize(
    ("head", "left"),
    [
        ("", ALL),
        ("# check=skip=all", []),
        ("# check=skip=StageNameCasing,JSONArgsRecommended", ["LegacyKeyValueFormat"]),
        ("# check=skip=StageNameCasing, JSONArgsRecommended", ALL[1:]),  # the blank ends it
        ("# Check = skip=all  \n# more", []),
        ("# more\n# check=skip=all", ALL[1:]),  # above FROM, no directive: for that instruction
        ("#!/usr/bin/env llbuild\n# check=skip=all", []),
        ("#!/usr/bin/env llbuild\n# syntax=x\n# check=skip=all", []),
    ],
)
def test_a_line_at_the_top_skips_rules(head: str, left: list[str]) -> None:
    assert rules(f"{head}\n{BAD}") == left


def test_the_build_argument_replaces_the_line() -> None:
    dockerfile = f"# check=skip=all\n{BAD}"
    assert rules(dockerfile, **{ARGUMENT: ""}) == ALL
    assert rules(dockerfile, **{ARGUMENT: "skip=StageNameCasing"}) == ALL[1:]
    assert rules(f"# check=nonsense\n{BAD}", **{ARGUMENT: "skip=all"}) == []


@pytest.mark.parametrize(
    ("comments", "config"),
    [
        ((), LintConfig()),
        (("check=skip=A",), LintConfig(skip=frozenset({"A"}))),
        (("said", "CHECK = skip=all because of that"), LintConfig(skip_all=True)),
        (("check=skip=A", "check=skip=B"), LintConfig(skip=frozenset({"A"}))),
        (("check=nonsense", "check=skip=B"), LintConfig()),
        (("checks=skip=A", "# check=skip=A"), LintConfig()),
        (("escape=x", "check=skip=all"), LintConfig(skip_all=True)),
    ],
)
def test_comments_above_an_instruction_are_read(comments: tuple[str, ...], config: LintConfig) -> None:
    assert inline_check(comments) == config


def test_a_comment_above_an_instruction_is_for_that_one() -> None:
    inline = "FROM a\n# check=skip=LegacyKeyValueFormat\nENV A b\nENV A b\n# check=skip=JSONArgsRecommended\nCMD x\n"
    found = compile_all(inline).warnings
    assert [(warning.rule, warning.at.line) for warning in found if warning.at] == [("LegacyKeyValueFormat", 4)]


def test_some_rules_are_beyond_comments() -> None:
    assert rules("# x\n# check=skip=all\nFROM a AS scratch\n") == ["ReservedStageName"]


def test_a_comment_cannot_make_findings_errors() -> None:
    assert rules("FROM a\n# check=error=true\nCMD x\n") == ["JSONArgsRecommended"]


def test_findings_can_be_errors() -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_all(f"# check=error=true\n{BAD}")
    assert [warning.rule for warning in caught.value.warnings] == ALL
    assert str(caught.value) == (
        "Dockerfile:2:11: lint has 3 findings, and this build is to fail on that (check=error=true):"
        " StageNameCasing (line 2), LegacyKeyValueFormat (line 3), JSONArgsRecommended (line 4)"
    )
    with pytest.raises(DockerfileError, match="lint has a finding"):
        compile_all(BAD, {ARGUMENT: "error=true;skip=StageNameCasing,LegacyKeyValueFormat"})
    compile_all(BAD, {ARGUMENT: "error=true;skip=all"})
    compile_all("# check=error=true\nFROM a\n")
