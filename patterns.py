"""Path patterns: Go's filepath.Match, and the lists of `.dockerignore` with `**` and `!`.

Facts: pkg.go.dev/path/filepath#Match; moby/patternmatcher. Paths are relative, with '/'.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["IgnoreList", "compile_match", "has_wildcards"]

_MAX_PATTERN = 1 << 16


def has_wildcards(pattern: str) -> bool:
    """Whether filepath.Match would find anything special in it. A backslash only quotes."""
    return any(char in "*?[" for char in pattern)


def compile_match(pattern: str) -> re.Pattern[str]:
    """filepath.Match as a regular expression for `fullmatch`.

    Raises ValueError on a malformed pattern (an unclosed class, a trailing backslash).
    """
    return re.compile(_translate(pattern, deep=False), re.DOTALL)


class _Line(NamedTuple):
    again: bool  # "!": includes again what an earlier line excluded
    regex: re.Pattern[str]


class IgnoreList:
    """Lines of a `.dockerignore`, the last match wins; a pattern that matches a folder covers what is in it."""

    def __init__(self, lines: Iterable[str]) -> None:
        """lines: patterns as BuildKit sends them in `excludepatterns`. Raises ValueError naming a malformed one."""
        self._lines: list[_Line] = []
        for line in lines:
            again = line.startswith("!")
            text = _clean(line[1:] if again else line)
            if text:
                self._lines.append(_Line(again, re.compile(_translate(text, deep=True), re.DOTALL)))
        self.has_exceptions = any(line.again for line in self._lines)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def excludes(self, path: str) -> bool:
        """Whether the path, or a folder it lies in, is excluded and not included again."""
        excluded = False
        ways = _ways(path)
        for line in self._lines:
            if line.again == excluded and any(line.regex.fullmatch(way) for way in ways):
                excluded = not line.again
        return excluded


def _ways(path: str) -> Sequence[str]:
    """The path itself and every folder above it."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _clean(text: str) -> str:
    """Go's filepath.Clean, without a leading slash."""
    parts: list[str] = []
    for part in text.strip().split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _translate(pattern: str, *, deep: bool) -> str:
    """A pattern as regular expression text; deep: `**` crosses folders."""
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"pattern of {len(pattern)} characters; at most {_MAX_PATTERN}")
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if deep and pattern.startswith("*", at):
                at += 1 + pattern.startswith("/", at + 1)
                out.append(".*" if at >= len(pattern) else "(?:.*/)?")
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            at = _translate_class(pattern, at, out)
        elif char == "\\":
            if at == len(pattern):
                raise ValueError(f"pattern {pattern!r} ends in a backslash")
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _translate_class(pattern: str, at: int, out: list[str]) -> int:
    """`[a-z]`, `[^a-z]`; a backslash quotes. Returns where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    parts: list[str] = []
    while at < len(pattern) and (pattern[at] != "]" or not parts):
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at) and at + 1 < len(pattern) and pattern[at + 1] != "]":
            high, at = _class_char(pattern, at + 1)
        if low <= high:
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            parts.append("")  # Go: an empty range matches nothing
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern!r} has an unclosed [")
    body = "".join(parts)
    if negated:
        out.append(f"(?!/)[^{body}]" if body else "[^/]")
    else:
        out.append(f"(?!/)[{body}]" if body else "(?!)")
    return at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\":
        at += 1
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern!r} has an unclosed [")
    return pattern[at], at + 1
