"""Where vertices come from, between spans of named files and the wire's numbered files and ranges.

A span's columns count from 1 and its end column 0 means the whole line; the wire's characters count from 0.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ..errors import DefinitionError
from ..llb import SourceFile
from ..span import Span
from ..values import replace
from .graph import WireLocation, WirePosition, WireRange, WireSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["distinct_files", "from_wire", "to_wire"]


def to_wire(files: tuple[SourceFile, ...], spans: Mapping[str, tuple[Span, ...]]) -> WireSource | None:
    """`spans`: by name of the vertex. A file that is only spoken of gets an entry without contents."""
    paths = [file.path for file in files]
    strangers = dict.fromkeys(span.path for said in spans.values() for span in said if span.path not in paths)
    files = (*files, *(SourceFile(path=path, data=b"", language="") for path in strangers))
    if not files:
        return None
    number = {path: index for index, path in reversed(list(enumerate((*paths, *strangers))))}
    return WireSource(tuple((name, _locations(said, number)) for name, said in spans.items()), files)


def _locations(spans: Iterable[Span], number: Mapping[str, int]) -> tuple[WireLocation, ...]:
    """Neighbouring spans of one file are the ranges of one location."""
    return tuple(
        WireLocation(number[path], tuple(_range(span) for span in neighbours))
        for path, neighbours in groupby(spans, key=lambda span: span.path)
    )


def _range(span: Span) -> WireRange:
    end = WirePosition(span.last_line, max(span.end_column - 1, 0))
    return WireRange(WirePosition(span.line, span.column - 1), end)


def distinct_files(files: Iterable[SourceFile]) -> tuple[tuple[SourceFile, ...], tuple[str, ...]]:
    """The files, each under a path of its own, and the path of each number on the wire."""
    taken: dict[str, SourceFile] = {}
    paths = []
    for number, file in enumerate(files):
        path = file.path
        while path in taken and taken[path] != replace(file, path=path):
            path = f"{path} ({number})"
        taken[path] = replace(file, path=path)
        paths.append(path)
    return tuple(taken.values()), tuple(paths)


def from_wire(locations: Iterable[WireLocation], paths: Sequence[str]) -> tuple[Span, ...]:
    """Raises DefinitionError for a file number that is not there."""
    spans = []
    for location in locations:
        if not 0 <= location.source < len(paths):
            raise DefinitionError(f"a place is in file {location.source}, but there are {len(paths)} files")
        path = paths[location.source]
        for start, end in location.ranges:
            end_column = end.character + 1 if end.character else 0
            spans.append(Span(path, start.line, start.character + 1, end.line, end_column))
    return tuple(spans)
