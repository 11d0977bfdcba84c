"""The `# key=value` lines at the top of a file: syntax, escape, check.

They end at the first line that is none: a blank line, an instruction, any other comment.
"""

from __future__ import annotations

from ...errors import DockerfileError
from ...span import Span
from ...values import frozen
from .words import SPACES

__all__ = ["Directive", "DirectiveReader", "Directives"]

_KEYS = ("syntax", "escape", "check")
_BLANKS = "\t\n\f\r "  # fewer than around instructions


@frozen(kw_only=False)
class Directive:
    value: str
    at: Span


class Directives:
    """What the directives said."""

    __slots__ = ("escape", "found")

    def __init__(self) -> None:
        self.escape = "\\"
        self.found: dict[str, Directive] = {}

    @property
    def syntax(self) -> Directive | None:
        return self.found.get("syntax")

    @property
    def check(self) -> Directive | None:
        return self.found.get("check")


class DirectiveReader:
    """Fed the comment lines in order until `done`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.done = False
        self.result = Directives()

    def feed(self, comment: str, number: int) -> bool:
        """Whether `comment` (from its `#` on) is a directive; physical line `number`."""
        if self.done:
            return False
        key, _, raw = comment[1:].lstrip(SPACES).partition("=")
        key = key.rstrip(_BLANKS)
        # Of nothing but blanks the last one is the value, as in BuildKit, where a value is a character at least.
        value = raw.strip(_BLANKS) or raw[-1:]
        if not value or not key.isascii() or (key := key.lower()) not in _KEYS:
            self.done = True
            return False
        if key in self.result.found:
            first = self.result.found[key].at.line
            raise self._error(f"only one {key} directive is allowed; the first is on line {first}", number)
        if key == "escape":
            if value not in ("\\", "`"):
                raise self._error(f"{value!r} cannot be the escape character", number, "use \\ or `")
            self.result.escape = value
        self.result.found[key] = Directive(value, Span(self.path, number))
        return True

    def _error(self, message: str, number: int, hint: str = "") -> DockerfileError:
        # BuildKit counts the lines that it has done with, and so blames the one before.
        return DockerfileError(message, at=Span(self.path, number), hint=hint, other_lines=(number - 1,))
