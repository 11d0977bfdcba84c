"""Path patterns: Go's filepath.Match, and the lists of `.dockerignore` with `**` and `!`.

Paths are relative, with '/'. A list is read as moby/patternmatcher reads it, on which every Dockerfile's
`.dockerignore` was tried out, its surprises included: each is named where it is made.
Facts: pkg.go.dev/path/filepath#Match; github.com/moby/patternmatcher.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["IgnoreList", "clean_path", "compile_match", "has_wildcards"]

_MAX_PATTERN = 1 << 16


def has_wildcards(pattern: str) -> bool:
    """Whether filepath.Match would find more in it than one name. A backslash quotes what follows."""
    if "\\" in pattern:
        pattern = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    return "*" in pattern or "?" in pattern or "[" in pattern


def compile_match(pattern: str) -> re.Pattern[str]:
    """filepath.Match as a regular expression for `fullmatch`.

    Raises ValueError on a malformed pattern (an unclosed class, a trailing backslash).
    """
    return re.compile(_translate(pattern, deep=False), re.DOTALL)


def clean_path(path: str) -> str:
    """Go's filepath.Clean of "/" + path, without the slash: no `.`, no `..`, no empty parts; "" is the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class IgnoreList:
    """Lines of a `.dockerignore`: the last match wins, and a pattern that matches a folder covers what is in it.

    Walking a tree, hand down what `step` said of the folder above: that is how "covers" is decided, and
    it spares trying every pattern on every folder a path lies in. A number says it all: bit n is set
    when the n-th run of lines matched on the way down.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """lines: patterns as BuildKit sends them in `excludepatterns`. Raises ValueError naming a malformed one."""
        self._runs = [_Run(again, texts) for again, texts in _runs(lines)]
        self.has_exceptions = any(run.again for run in self._runs)

    def __bool__(self) -> bool:
        return bool(self._runs)

    def step(self, path: str, above: int = 0) -> tuple[bool, int]:
        """Whether a path is matched, and what to hand down to what is in it; `above`: the answer for its folder."""
        matched, bits, bit = False, 0, 1
        for run in self._runs:
            # moby does not try an exclusion on what is matched already, nor an exception on what is not; so a
            # folder may come out without the bit of a line that it would match. What is in it then does not inherit.
            if above & bit or (run.again == matched and run.matches(path)):
                bits |= bit
                matched = not run.again
            bit <<= 1
        return matched, bits

    def may_include_below(self, folder: str) -> bool:
        """Whether a line with "!" could match something in the folder. Spares walking it; may say yes too often."""
        parts = folder.split("/")
        return any(_reaches(line, parts) for run in self._runs if run.again for line in run.texts)

    def excludes(self, path: str) -> bool:
        """Whether the path is excluded, by itself or through a folder it lies in, and not included again."""
        matched, bits, end = False, 0, 0
        while end >= 0:
            end = path.find("/", end + 1)
            matched, bits = self.step(path if end < 0 else path[:end], bits)
        return matched


class _Run:
    """Neighbouring lines of one kind, tried as one."""

    __slots__ = ("_anywhere", "_paths", "_regex", "again", "texts")

    def __init__(self, again: bool, texts: Sequence[str]) -> None:
        self.texts = texts
        self.again = again  # "!": includes again what earlier lines excluded
        self._paths: set[str] = set()
        self._anywhere: set[str] = set()  # names: **/name
        regexes = []
        for text in texts:
            literal = text.removeprefix("**/")
            if any(char in literal for char in "*?[]\\"):
                regexes.append(_translate(text, deep=True))
            elif literal == text:
                self._paths.add(text)
            elif "/" not in literal:
                self._anywhere.add(literal)
            else:
                regexes.append("(?:.*/)?" + re.escape(literal))
        self._regex = re.compile("|".join(regexes), re.DOTALL) if regexes else None

    def matches(self, path: str) -> bool:
        return (
            path in self._paths
            or (bool(self._anywhere) and path[path.rfind("/") + 1 :] in self._anywhere)
            or (self._regex is not None and self._regex.fullmatch(path) is not None)
        )


def _reaches(text: str, parts: Sequence[str]) -> bool:
    """Whether a match of the pattern can lie below the folder of these components."""
    if "[" in text or "\\" in text:
        return True  # either can stand for a "/": no telling the components apart
    components = text.split("/")
    for pattern, part in zip(components, parts, strict=False):
        if "**" in pattern:
            return True
        if pattern != part and re.fullmatch(_translate(pattern, deep=True), part, re.DOTALL) is None:
            return False
    return len(components) > len(parts)


def _runs(lines: Iterable[str]) -> Iterator[tuple[bool, list[str]]]:
    kind, texts = False, list[str]()
    for line in lines:
        text = line.strip()
        again = text.startswith("!")
        text = text[again:].strip()
        if again and not text:
            raise ValueError("a line with nothing but '!'")
        if text.startswith("../") or not (text := clean_path(text)):
            continue  # matches nothing that is in the tree
        _translate(text, deep=True)  # a malformed one is named by itself, not by the run it stands in
        if again != kind and texts:
            yield kind, texts
            texts = []
        kind = again
        texts.append(text)
    if texts:
        yield kind, texts


def _translate(pattern: str, *, deep: bool) -> str:
    """A pattern as regular expression text; deep: `**` crosses folders."""
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"pattern of {len(pattern)} characters; at most {_MAX_PATTERN}")
    if deep and pattern.startswith("**") and not any(char in pattern[2:] for char in "*?[]\\/"):
        return ".*" + re.escape(pattern[2:])  # moby: `**x` is a suffix, and matches `ax`; `**x*` is not, and does not
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
    """`[a-z]`, `[^a-z]`; a backslash quotes, an empty class is malformed. Returns where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    empty = True
    while not pattern.startswith("]", at) or empty:
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        empty = False
        if low <= high:  # Go: a range the wrong way round matches nothing
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    body = "".join(ranges)
    if negated:
        out.append(f"[^{body}]" if body else ".")
    else:
        out.append(f"[{body}]" if body else "(?!)")
    return at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    """One end of a range. As in Go, `]` and `-` must be quoted to stand for themselves."""
    quoted = pattern.startswith("\\", at)
    at += quoted
    if at >= len(pattern) or (not quoted and pattern[at] in "-]"):
        raise ValueError(f"pattern {pattern!r} has a malformed [")
    if at + 1 >= len(pattern):
        raise ValueError(f"pattern {pattern!r} has an unclosed [")
    return pattern[at], at + 1
