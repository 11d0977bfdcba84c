"""Path patterns: Go's filepath.Match, and the lists of `.dockerignore` with `**` and `!`.

Facts: pkg.go.dev/path/filepath#Match; moby/patternmatcher. Paths are relative, with '/'.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    _Search: TypeAlias = Callable[[str], object]

__all__ = ["IgnoreList", "clean_path", "compile_match", "has_wildcards"]

_MAX_PATTERN = 1 << 16
_SPECIAL = re.compile(r"[*?\[\\]")


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


class _Line(NamedTuple):
    again: bool  # "!": includes again what an earlier line excluded
    match: Callable[[str], object]
    source: str  # of the regular expression
    on_name: str  # the same for the last component alone, where that is all it is about
    heads: tuple[re.Pattern[str], ...]  # what the first components of a match look like
    length: int  # how many components a match has; 0: any number


class IgnoreList:
    """Lines of a `.dockerignore`, the last match wins; a pattern that matches a folder covers what is in it.

    As in BuildKit's walk of a context, what a line says about a folder is handed down to what is in it. A folder's
    part is remembered, so the paths of one folder are quick to decide. Safe for threads.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """lines: patterns as BuildKit sends them in `excludepatterns`. Raises ValueError naming a malformed one."""
        self._lines = [line for line in map(_parse_line, lines) if line is not None]
        self.has_exceptions = any(line.again for line in self._lines)
        self._covers: dict[str, int] = {"": 0}  # by folder: which lines match it or a folder above it, as bits
        self._quick: dict[int, tuple[_Search, _Search]] = {}  # by depth

    def __bool__(self) -> bool:
        return bool(self._lines)

    def excludes(self, path: str) -> bool:
        """Whether the path, or a folder it lies in, is excluded and not included again."""
        return self.within(path.rpartition("/")[0])(path.rpartition("/")[2])

    def within(self, folder: str) -> Callable[[str], bool]:
        """`excludes` for the names in one folder."""
        covers = self._covering(folder)
        usual = self._verdict(covers)
        if usual and not self.has_exceptions:
            return _always
        depth = folder.count("/") + 2 if folder else 1
        on_name, on_path = self._quick.get(depth) or self._quick.setdefault(depth, self._searches(depth))
        prefix = f"{folder}/" if folder else ""

        def excludes(name: str) -> bool:
            if not on_name(name) and not on_path(prefix + name):
                return usual
            return not self.has_exceptions or self.step(prefix + name, covers)[0]

        return excludes

    def may_include_below(self, folder: str) -> bool:
        """Whether a "!" line could match something inside the folder."""
        return any(line.again and _may_match_below(line, folder) for line in self._lines)

    def may_match_below(self, folder: str) -> bool:
        """Whether a line without "!" could match something inside the folder, or covers it whole."""
        return self.excludes(folder) or any(not line.again and _may_match_below(line, folder) for line in self._lines)

    def _covering(self, folder: str) -> int:
        known = self._covers.get(folder)
        if known is None:
            known = self._covers[folder] = self.step(folder, self._covering(folder.rpartition("/")[0]))[1]
        return known

    def _verdict(self, covers: int) -> bool:
        excluded = False
        for number, line in enumerate(self._lines):
            if covers >> number & 1:
                excluded = not line.again
        return excluded

    def step(self, path: str, above: int = 0) -> tuple[bool, int]:
        """Whether a path is excluded, and which lines cover it; `above`: which cover its folder.

        moby does not try a line that would change nothing, so a folder may come out without the bit of a line
        that it would match. What is in it then does not inherit.
        """
        excluded, matched = False, 0
        for number, line in enumerate(self._lines):
            if above >> number & 1 or (line.again == excluded and line.match(path)):
                matched |= 1 << number
                excluded = not line.again
        return excluded, matched

    def _searches(self, depth: int) -> tuple[_Search, _Search]:
        """Tests that fail for nearly every path of this many components: on its name, and on the whole of it."""
        lines = [line for line in self._lines if line.length in (0, depth)]
        return (
            _any_of([line.on_name for line in lines if line.on_name]),
            _any_of([line.source for line in lines if not line.on_name]),
        )


def _always(name: str) -> bool:
    del name
    return True


def _never(name: str) -> None:
    del name


def _any_of(sources: Sequence[str]) -> _Search:
    if not sources:
        return _never
    return re.compile("|".join(f"(?:{source})" for source in sources), re.DOTALL).fullmatch


def _parse_line(line: str) -> _Line | None:
    text = line.strip()
    again = text.startswith("!")
    text = text[again:].strip()
    if again and not text:
        raise ValueError("a line with nothing but '!' is no pattern")
    if text.startswith("../") or not (text := clean_path(text)):
        return None  # matches nothing that is in a tree
    if len(text) > _MAX_PATTERN:
        raise ValueError(f"pattern of {len(text)} characters; at most {_MAX_PATTERN}")
    source = _translate(text, deep=True)
    parts = text.split("/")
    simple = "**" not in text and "[" not in text and "\\" not in text  # a class may match a slash, as in moby
    heads = []
    for part in parts:
        if "**" in part or "[" in part or "\\" in part:
            break
        heads.append(re.compile(_translate(part, deep=False), re.DOTALL))
    suffix = text.removeprefix("**")
    on_name = ""
    if suffix is not text and not _SPECIAL.search(suffix):
        # moby reads `**` and plain text as "ends in", so that `**.o` and `**x` match `a/b.o` and `a/bx`
        source = ".*" + re.escape(suffix) if not suffix.startswith("/") else "(?:.*/)?" + re.escape(suffix[1:])
    elif text.endswith("**") and not _SPECIAL.search(text[:-2]):
        source = re.escape(text[:-2]) + ".*"
    if len(parts) == 2 and parts[0] == "**" and parts[1] != "**" and "**" not in parts[1] and "[" not in parts[1]:
        on_name = _translate(parts[1], deep=True)
    return _Line(
        again=again,
        match=re.compile(source, re.DOTALL).fullmatch,
        source=source,
        on_name=on_name,
        heads=tuple(heads),
        length=len(parts) if simple else 0,
    )


def _may_match_below(line: _Line, folder: str) -> bool:
    parts = folder.split("/") if folder else []
    if line.length and len(parts) >= line.length:
        return False
    return all(head.fullmatch(part) for head, part in zip(line.heads, parts, strict=False))


def _translate(pattern: str, *, deep: bool) -> str:
    """A pattern as regular expression text; deep: as moby reads it, `**` crosses folders."""
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
            at = _translate_class(pattern, at, out, deep=deep)
        elif char == "\\":
            if at == len(pattern):
                raise ValueError(f"pattern {pattern!r} ends in a backslash")
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(_settle(out))


def _settle(pieces: list[str]) -> list[str]:
    """Make a star stop at the first place where what follows fits, if another star of its component comes after.

    Without that, `*a*a*a*a*b` takes hours on a long name: each star would be tried at every place.
    """
    star, slash = "[^/]*", re.escape("/")
    out: list[str] = []
    at = 0
    while at < len(pieces):
        ahead = at + 1
        if pieces[at] == star:
            while ahead < len(pieces) and pieces[ahead] not in (star, slash, ".*", "(?:.*/)?"):
                ahead += 1
            if ahead < len(pieces) and pieces[ahead] == star:
                out.append(f"(?>[^/]*?{''.join(pieces[at + 1 : ahead])})")
                at = ahead
                continue
        out.append(pieces[at])
        at += 1
    return out


def _translate_class(pattern: str, at: int, out: list[str], *, deep: bool) -> int:
    """`[a-z]`, `[^a-z]`; a backslash quotes. Returns where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    parts: list[str] = []
    first = True
    while not pattern.startswith("]", at) or first:
        first = False
        low, at = _class_char(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_char(pattern, at + 1)
        if low <= high:  # Go: an empty range matches nothing
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
    body = "".join(parts)
    guard = "" if deep else "(?!/)"
    if negated:
        out.append(f"{guard}[^{body}]" if body else f"{guard}.")
    else:
        out.append(f"{guard}[{body}]" if body else "(?!)")
    return at + 1


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith(("-", "]"), at):
        raise ValueError(f"pattern {pattern!r} has a {pattern[at]} where a character is expected; quote it with \\")
    if pattern.startswith("\\", at):
        at += 1
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern!r} has an unclosed [")
    return pattern[at], at + 1
