"""The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` any run, `?` any one character, `\\` a guard.

No brackets, and neither wildcard matches a newline: BuildKit translates to a regular expression, and this
matches the same strings. Written by hand because a backtracking engine takes exponential time on `*a*a*a*b`.
"""

from __future__ import annotations

import re

__all__ = ["GlobError", "replace_pattern", "trim_prefix", "trim_suffix"]


class GlobError(ValueError):
    """The pattern cannot be used."""


# A pattern is cut at its stars; a segment is literals with None for `?`.
_Segment = list[str | None]


def trim_prefix(value: str, pattern: str, *, greedy: bool) -> str:
    """The value without the shortest (greedy: longest) prefix that matches."""
    end = _match_at(_Matcher(_cut(pattern)), value, 0, greedy=greedy)
    return value if end is None else value[end:]


def trim_suffix(value: str, pattern: str, *, greedy: bool) -> str:
    """The value without the shortest (greedy: longest) suffix that matches."""
    segments = [segment[::-1] for segment in reversed(_cut(pattern))]
    backwards = value[::-1]
    end = _match_at(_Matcher(segments), backwards, 0, greedy=greedy)
    return value if end is None else value[: len(value) - end]


def replace_pattern(value: str, pattern: str, replacement: str, *, every: bool, limit: int) -> str:
    """The value with the first match (every: all) replaced; matches are leftmost and longest."""
    matcher = _Matcher(_cut(pattern))
    if not every:
        found = matcher.search(value, 0)
        return value if found is None else value[: found[0]] + replacement + value[found[1] :]
    replacement = _without_references(replacement)
    out: list[str] = []
    size = last = at = 0
    while at <= len(value) and (found := matcher.search(value, at)) is not None:
        start, end = found
        out.append(value[last:start])
        if end > last or start == 0:  # an empty match right after a match does not count
            out.append(replacement)
            size += len(replacement)
            if size > limit:
                raise GlobError(f"the replaced value is longer than {limit} characters")
        last = end
        at = end if end > at else at + 1
    out.append(value[last:])
    return "".join(out)


def _without_references(text: str) -> str:
    """`$1` and `${name}` are empty and `$$` is `$` in the replacement of `//`: a trace of Go's regexp."""
    if "$" not in text:
        return text
    return re.sub(r"\$(?:(\$)|\w+|\{\w+\})", lambda match: match[1] or "", text)


def _cut(pattern: str) -> list[_Segment]:
    segments: list[_Segment] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            segments.append([])
        elif char == "?":
            segments[-1].append(None)
        elif char != "\\":
            segments[-1].append(char)
        else:
            guarded = pattern[at : at + 1]
            if guarded in ("}", "/"):
                continue  # the guard was for '${…}' itself
            if guarded not in ("*", "?", "\\"):
                raise GlobError(f"'\\{guarded}' is not an escape of a pattern; there are \\* \\? \\\\")
            segments[-1].append(guarded)
            at += 1
    return segments


class _Matcher:
    """Finds the segments of one pattern in order."""

    def __init__(self, segments: list[_Segment]) -> None:
        self.many_lines = any("\n" in segment for segment in segments)
        self.lengths = [len(segment) for segment in segments]
        self.literals = [None if None in segment else "".join(c or "" for c in segment) for segment in segments]
        self.segments = segments
        self.regexes = [
            None if text is not None else _regex(segment) for segment, text in zip(segments, self.literals, strict=True)
        ]

    def search(self, value: str, start: int) -> tuple[int, int] | None:
        """The leftmost match from `start` on, as long as can be."""
        while (first := self.find(0, value, start, len(value))) is not None:
            end = _match_at(self, value, first, greedy=True)
            if end is not None:
                return first, end
            start = first + 1
            # Without newlines a later start cannot do better; with them the next line may.
            newline = value.find("\n", first)
            if newline < 0 and not self.many_lines:
                return None
            if not self.many_lines:
                start = newline + 1 - self.lengths[0] if newline + 1 - self.lengths[0] > first else first + 1
        return None

    def find(self, index: int, value: str, start: int, limit: int) -> int | None:
        """Where segment `index` first begins in [start, limit]; it may reach beyond the limit."""
        end = min(len(value), limit + self.lengths[index])
        literal, regex = self.literals[index], self.regexes[index]
        if literal is not None:
            at = value.find(literal, start, end)
            return None if at < 0 else at
        assert regex is not None
        match = regex.search(value, start, end)
        return match.start() if match else None

    def rfind(self, index: int, value: str, start: int, limit: int) -> int | None:
        """Where segment `index` last begins in [start, limit]."""
        length = self.lengths[index]
        end = min(len(value), limit + length)
        literal = self.literals[index]
        if literal is not None:
            at = value.rfind(literal, start, end)
            return None if at < 0 else at
        backwards = _regex(self.segments[index][::-1]).search(value[start:end][::-1])
        return end - backwards.end() if backwards else None


def _regex(segment: _Segment) -> re.Pattern[str]:
    return re.compile("".join("[^\n]" if char is None else re.escape(char) for char in segment))


def _match_at(matcher: _Matcher, value: str, start: int, *, greedy: bool) -> int | None:
    """Where a match beginning exactly at `start` ends."""
    if matcher.find(0, value, start, start) is None:
        return None
    at = start + matcher.lengths[0]
    last = len(matcher.lengths) - 1
    for index in range(1, last + 1):
        newline = value.find("\n", at)
        limit = len(value) if newline < 0 else newline
        find = matcher.rfind if greedy and index == last else matcher.find
        found = find(index, value, at, limit)
        if found is None:
            return None
        at = found + matcher.lengths[index]
    return at
