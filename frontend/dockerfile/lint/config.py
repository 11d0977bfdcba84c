"""`check=` settings: `skip=A,B|all;experimental=A|all;error=true`.

They stand in the `# check=` line at the top of a file, in the build argument BUILDKIT_DOCKERFILE_CHECK, which
replaces that line, or in a comment above an instruction, which adds to it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ....errors import DockerfileError, UsageError
from ..directives import DirectiveReader
from ..integer import read_bool
from ..suggest import did_you_mean
from .linter import LintConfig

if TYPE_CHECKING:
    from ....llb import SourceFile
    from ..directives import Directive, Directives

__all__ = ["inline_check", "parse_check", "read_config"]

_OPTIONS = ("skip", "experimental", "error")


class _CheckError(ValueError):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def read_config(source: SourceFile, directives: Directives, argument: str | None) -> LintConfig:
    """The settings of a file. argument: the build argument, if given.

    Raises DockerfileError at the line, UsageError for the argument.
    """
    if argument is not None:
        try:
            return parse_check(argument)
        except _CheckError as error:
            raise UsageError(f"build argument BUILDKIT_DOCKERFILE_CHECK: {error.message}", hint=error.hint) from None
    directive = directives.check or _after_shebang(source)
    if directive is None:
        return LintConfig()
    try:
        return parse_check(_first_word(directive.value))
    except _CheckError as error:
        raise DockerfileError(f"check: {error.message}", at=directive.at, hint=error.hint) from None


def _after_shebang(source: SourceFile) -> Directive | None:
    """BuildKit looks for this directive, and not for `escape`, below a first line `#!…` too."""
    if not source.data.startswith(b"#!"):
        return None
    reader = DirectiveReader(source.path)
    with contextlib.suppress(DockerfileError):  # what is wrong there is only a comment to the parser
        for number, line in enumerate(source.data.decode("utf-8", "replace").split("\n")[1:], 2):
            if not line.startswith("#") or not reader.feed(line, number):
                break
    return reader.result.check


def inline_check(comments: tuple[str, ...]) -> LintConfig:
    """What the comments above an instruction say. As in BuildKit, the first counts, and one that is wrong says nothing.

    comments: without their `#`.
    """
    for comment in comments:
        reader = DirectiveReader("")
        with contextlib.suppress(DockerfileError):  # `escape=x` is only a comment here
            reader.feed("#" + comment, 1)
        directive = reader.result.check
        if directive is not None:
            try:
                return parse_check(_first_word(directive.value))
            except _CheckError:
                break
    return LintConfig()


def _first_word(value: str) -> str:
    """A blank ends the setting; what follows is a remark."""
    return value.partition(" ")[0]


def parse_check(text: str) -> LintConfig:
    """Raises ValueError. Rule names are not checked: a file may name rules of later versions."""
    text = text.strip()
    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    skip_all = experimental_all = error = False
    for part in text.split(";", 2) if text else ():
        key, equals, value = part.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or key not in _OPTIONS:
            hint = did_you_mean(key, _OPTIONS) or "there are skip=RULE,… experimental=RULE,… error=true, joined by ';'"
            raise _CheckError(f"{part.strip()!r} is no setting", hint)
        if key == "error":
            truth = read_bool(value)
            if truth is None:
                raise _CheckError(f"error is true or false, not {value!r}", "write error=true")
            error = truth
        elif value == "all":
            skip_all |= key == "skip"
            experimental_all |= key == "experimental"
        elif key == "skip":
            skip = _names(value)
        else:
            experimental = _names(value)
    return LintConfig(
        skip=skip, skip_all=skip_all, experimental=experimental, experimental_all=experimental_all, error=error
    )


def _names(value: str) -> frozenset[str]:
    return frozenset(name.strip() for name in value.split(","))
