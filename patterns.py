"""Path patterns: Go's filepath.Match, and the lists of `.dockerignore` with `**` and `!`.

Facts: pkg.go.dev/path/filepath#Match; moby/patternmatcher. Paths are relative, with '/'.
"""

from __future__ import annotations

import re
from itertools import groupby, takewhile
from typing import TYPE_CHECKING

from .regexes import lazy_regex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    _Search: TypeAlias = Callable[[str], object]

__all__ = ["IgnoreList", "clean_path", "compile_match", "has_wildcards"]

_MAX_PATTERN = 1 << 16
_MAX_WALKS = 1000  # patterns that take a hundred times as long as others
_MAX_JOINED = 1 << 16  # characters of a regular expression made of several; compiling it takes a hundred times that
_SPECIAL = lazy_regex(r"[*?\[\\]")
# Pieces of regular expressions: `*`, `**/` and a `**` at the end.
_STAR, _DEEP, _ALL = "[^/]*", "(?:.*/)?", ".*"


def has_wildcards(pattern: str) -> bool:
    """Whether filepath.Match would find more in it than one name. A backslash quotes what follows."""
    if "\\" in pattern:
        pattern = re.sub(r"\\.", "", pattern, flags=re.DOTALL)
    return "*" in pattern or "?" in pattern or "[" in pattern


def compile_match(pattern: str) -> re.Pattern[str]:
    """filepath.Match as a regular expression for `fullmatch`.

    Raises ValueError on a malformed pattern (an unclosed class, a trailing backslash).
    """
    return re.compile(_regex(_translate(pattern, deep=False)), re.DOTALL)


def clean_path(path: str) -> str:
    """Go's filepath.Clean of "/" + path, without the slash: no `.`, no `..`, no empty parts; "" is the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class _Line:
    """One line of a list. What it costs to match is prepared at its first use: a list may be long."""

    __slots__ = ("_heads", "_match", "again", "heads", "length", "on_name", "source", "text")

    def __init__(self, text: str, *, again: bool) -> None:
        self.text = text
        self.again = again  # "!": includes again what an earlier line excluded
        pieces = _translate(text, deep=True)
        # A regular expression, "" where that could take forever.
        self.source = _as_moby(text) or ("" if _goes_astray(pieces) else _regex(pieces))
        parts = text.split("/")
        self.on_name = ""  # the same for the last component alone, where that is all it is about
        if len(parts) == 2 and parts[0] == "**" and "**" not in parts[1] and "[" not in parts[1]:
            self.on_name = _regex(_translate(parts[1], deep=True))
        # What the first components of a match look like. A class may match a slash, as in moby.
        self.heads = tuple(takewhile(lambda part: "**" not in part and "[" not in part and "\\" not in part, parts))
        self.length = len(parts) if len(self.heads) == len(parts) else 0  # components of a match; 0: any number
        self._match: _Search | None = None
        self._heads: list[_Search] | None = None

    def match(self, path: str) -> object:
        if self._match is None:
            if self.source:
                self._match = re.compile(self.source, re.DOTALL).fullmatch
            else:
                self._match = _Walk(_translate(self.text, deep=True)).fullmatch
        return self._match(path)

    def may_match_below(self, folder: str) -> bool:
        """Whether it could match something inside the folder."""
        parts = folder.split("/") if folder else []
        if self.length and len(parts) >= self.length:
            return False
        if self._heads is None:
            self._heads = [compile_match(head).fullmatch for head in self.heads]
        return all(fits(part) for fits, part in zip(self._heads, parts, strict=False))


class IgnoreList:
    """Lines of a `.dockerignore`, the last match wins; a pattern that matches a folder covers what is in it.

    As in BuildKit's walk of a context, what a line says about a folder is handed down to what is in it. A folder's
    part is remembered, so the paths of one folder are quick to decide. Safe for threads.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        """lines: patterns as BuildKit sends them in `excludepatterns`. Raises ValueError naming a malformed one."""
        known: dict[str, _Line | None] = {}
        for text in lines:
            if text not in known:
                known[text] = _parse_line(text)
        kept = [line for line in map(known.__getitem__, lines) if line is not None]
        self._lines = [line for line, _ in groupby(kept)]  # saying it twice changes nothing
        if sum(not line.source for line in self._lines) > _MAX_WALKS:
            raise ValueError(f"more than {_MAX_WALKS} patterns with '**' inside of names")
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
        return any(line.again and line.may_match_below(folder) for line in self._lines)

    def may_match_below(self, folder: str) -> bool:
        """Whether a line without "!" could match something inside the folder, or covers it whole."""
        return self.excludes(folder) or any(not line.again and line.may_match_below(folder) for line in self._lines)

    def _covering(self, folder: str) -> int:
        missing = []
        while (covers := self._covers.get(folder)) is None:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for folder in reversed(missing):
            covers = self._covers[folder] = self.step(folder, covers)[1]
        return covers

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
        walks = [line.match for line in lines if not line.source]
        return (
            _any_of([line.on_name for line in lines if line.on_name]),
            _any_of([line.source for line in lines if not line.on_name and line.source], walks),
        )


def _always(name: str) -> bool:
    del name
    return True


def _never(name: str) -> None:
    del name


def _any_of(sources: Iterable[str], others: Iterable[_Search] = ()) -> _Search:
    """One search for all of the regular expressions and the other searches."""
    searches: list[_Search] = []
    alternatives: list[str] = []
    size = 0
    for source in dict.fromkeys(sources):
        if size > _MAX_JOINED:
            searches.append(_joined(alternatives))
            alternatives, size = [], 0
        alternatives.append(source)
        size += len(source)
    if alternatives:
        searches.append(_joined(alternatives))
    searches += dict.fromkeys(others)
    if len(searches) < 2:
        return searches[0] if searches else _never
    return lambda path: any(search(path) for search in searches)


def _joined(sources: Sequence[str]) -> _Search:
    return re.compile("|".join(f"(?:{source})" for source in sources), re.DOTALL).fullmatch


def _parse_line(line: str) -> _Line | None:
    text = line.strip()
    again = text.startswith("!")
    text = text[again:].strip()
    if again and not text:
        raise ValueError("a line with nothing but '!' is no pattern")
    if text.startswith("../") or not (text := clean_path(text)):
        return None  # matches nothing that is in a tree
    return _Line(text, again=again)


def _as_moby(text: str) -> str:
    """moby reads `**` and plain text as "ends in": `**.o` and `**x` match `a/b.o` and `a/bx`. "" for other patterns."""
    suffix = text.removeprefix("**")
    if suffix is not text and not _SPECIAL.search(suffix):
        return ".*" + re.escape(suffix) if not suffix.startswith("/") else "(?:.*/)?" + re.escape(suffix[1:])
    if text.endswith("**") and not _SPECIAL.search(text[:-2]):
        return re.escape(text[:-2]) + ".*"
    return ""


def _translate(pattern: str, *, deep: bool) -> list[str]:
    """A pattern as pieces of a regular expression; deep: as moby reads it, `**` crosses folders."""
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"pattern of {len(pattern)} characters; at most {_MAX_PATTERN}")
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            piece = _STAR
            if deep and pattern.startswith("*", at):
                at += 1 + pattern.startswith("/", at + 1)
                piece = _ALL if at >= len(pattern) else _DEEP
            if out[-1:] != [piece]:  # twice is once
                out.append(piece)
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
    return out


def _regex(pieces: Sequence[str]) -> str:
    """The pieces put together, so that matching does not go back and forth between their repetitions.

    A `**/` takes the first place where what follows fits, when that ends in a slash before another `**/`: a later place
    could do nothing that the other cannot.
    """
    first, *rest = _split(pieces, _DEEP)
    out = _settle(first)
    for number, part in enumerate(rest, start=1):
        settled = "".join(_settle(part))
        closed = number < len(rest) and part[-1:] == ["/"]
        out.append(f"(?>(?:.*?/)??{settled})" if closed else _DEEP + settled)
    return "".join(out)


def _goes_astray(pieces: Sequence[str]) -> bool:
    """Whether matching could still try ways by the million: `**` inside names, or classes that match a slash."""
    inner = _split(pieces, _DEEP)[1:-1]
    repeats = sum(pieces.count(piece) for piece in (_STAR, _DEEP, _ALL))
    crossing = repeats > 1 and any(piece.startswith("[") and re.fullmatch(piece, "/") for piece in set(pieces))
    return crossing or sum(part[-1:] != ["/"] for part in inner) > 1


def _split(pieces: Sequence[str], mark: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for piece in pieces:
        if piece == mark:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


def _settle(pieces: list[str]) -> list[str]:
    """Make a star stop at the first place where what follows fits, if another star of its component comes after.

    Without that, `*a*a*a*a*b` takes hours on a long name: each star would be tried at every place.
    """
    out: list[str] = []
    at = 0
    while at < len(pieces):
        ahead = at + 1
        if pieces[at] == _STAR:
            while ahead < len(pieces) and pieces[ahead] not in (_STAR, "/", _ALL):
                ahead += 1
            if ahead < len(pieces) and pieces[ahead] == _STAR:
                out.append(f"(?>[^/]*?{''.join(pieces[at + 1 : ahead])})")
                at = ahead
                continue
        out.append(pieces[at])
        at += 1
    return out


class _Walk:
    """Matches pieces by following all ways at once, a bit for each place in the pattern: slow, but never slower."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces: list[str] = []
        for piece in pieces:
            self._pieces += ("", _DEEP) if piece == _DEEP else (piece,)  # before it, where it may be skipped, and in it
        self._skips = self._bits(lambda piece: piece in ("", _STAR, _ALL))
        self._entries = self._bits(lambda piece: not piece)
        self._moves: dict[str, tuple[int, int]] = {}

    def fullmatch(self, path: str) -> bool:
        places = self._settled(1)
        for char in path:
            step, stay = self._moves.get(char) or self._learn(char)
            places = self._settled((places & step) << 1 | places & stay)
        return bool(places >> len(self._pieces) & 1)

    def _settled(self, places: int) -> int:
        """Also the places that are reached without a character."""
        while (more := places | (places & self._skips) << 1 | (places & self._entries) << 2) != places:
            places = more
        return places

    def _learn(self, char: str) -> tuple[int, int]:
        """The places that the character leads on from, and those it stays at."""
        slash = char == "/"
        fits = {piece: re.fullmatch(piece, char, re.DOTALL) is not None for piece in set(self._pieces)}
        fits |= {"": False, _STAR: False, _ALL: False, _DEEP: slash}
        step = self._bits(lambda piece: fits[piece])
        stay = self._bits(lambda piece: piece in (_ALL, _DEEP) or (piece == _STAR and not slash))
        self._moves[char] = step, stay
        return step, stay

    def _bits(self, chosen: Callable[[str], bool]) -> int:
        return int("".join("01"[chosen(piece)] for piece in reversed(self._pieces)) or "0", 2)


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
        raise ValueError(f"pattern {pattern!r} has a malformed [")
    if pattern.startswith("\\", at):
        at += 1
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern!r} has a malformed [: it is not closed")
    return pattern[at], at + 1
