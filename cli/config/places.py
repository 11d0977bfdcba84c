"""Where in a TOML text a key stands: the standard library's reader does not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Path", "find_key"]

Path = tuple["str | int", ...]  # keys, and numbers of the tables of an array

_NAME = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_EACH = re.compile(_NAME)


def find_key(text: str, file: str, path: Path) -> Span:
    """Where the key at `path` is set; what is written inline is where its table is."""
    best, best_length = Span(file, 1), 0
    for found, span in _keys(text, file):
        length = len(found)
        if length > best_length and path[:length] == found:
            best, best_length = span, length
    return best


def _keys(text: str, file: str) -> Iterator[tuple[Path, Span]]:
    """Every key and every table header, with its whole path."""
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _path(header[2], counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, _span(file, number, header, 2)
        elif key := _KEY.match(line):
            yield (*table, *_path(key[1], {})), _span(file, number, key, 1)


def _path(dotted: str, counts: dict[Path, int]) -> Path:
    """The names, with the number of the table after those that are arrays of them."""
    path: Path = ()
    names: Sequence[str] = _EACH.findall(dotted)
    for number, name in enumerate(names, 1):
        path = (*path, name.strip("\"'"))
        if path in counts and number < len(names):
            path = (*path, counts[path])
    return path


def _span(file: str, line: int, found: re.Match[str], group: int) -> Span:
    return Span(file, line, found.start(group) + 1, line, found.end(group) + 1)
