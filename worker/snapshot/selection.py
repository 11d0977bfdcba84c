"""Which files a copy takes: the one place that knows, for hashing them and for copying them alike.

Rules of BuildKit's file ops: a wildcard is matched one component at a time, links in the source are
followed inside its root, a plain name that is not there is an error, a wildcard that matches nothing
may be nothing.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SourceError
from ...patterns import IgnoreList, compile_match, has_wildcards
from .tree import join, parts_of, resolve

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from ...llb import FileCopy
    from .tree import Tree

__all__ = ["Filter", "Picked", "pick"]


class Picked(NamedTuple):
    """One source of a copy. `name` is what it is called at a destination that is a folder."""

    path: str
    name: str
    stat: os.stat_result


class Filter:
    """The include and exclude patterns of a copy, on paths relative to what is copied."""

    def __init__(self, copy: FileCopy) -> None:
        try:
            self._excludes = IgnoreList(copy.exclude_patterns)
            self._includes = IgnoreList(copy.include_patterns)
        except ValueError as error:
            raise SourceError(str(error), ref=copy.src) from None

    def __bool__(self) -> bool:
        return bool(self._excludes) or bool(self._includes)

    def takes(self, path: str) -> bool:
        if self._excludes and self._excludes.excludes(path):
            return False
        return not self._includes or self._includes.excludes(path)


def pick(tree: Tree, copy: FileCopy) -> list[Picked]:
    """The sources of a copy, in byte order of their paths.

    Raises SourceError for a plain source that is not there, or a wildcard that matches nothing and must.
    """
    parts = [part for part in parts_of(copy.src) if part != ".."]  # BuildKit drops them as well
    source = "/".join(parts)
    if copy.allow_wildcard and any(has_wildcards(part) for part in parts):
        found = [_picked(tree, path, copy) for path in sorted(set(_expand(tree, parts)))]
        if not found and not copy.allow_empty_wildcard:
            raise SourceError(f"{copy.src!r} matches nothing", ref=copy.src)
        return [picked for picked in found if picked is not None]
    picked = _picked(tree, source, copy)
    if picked is None:
        raise SourceError(f"{source or '/'!r} not found{_similar(tree, parts)}", ref=copy.src)
    return [picked]


def _picked(tree: Tree, path: str, copy: FileCopy) -> Picked | None:
    place = resolve(tree, path, follow_last=copy.follow_symlink)
    found = tree.stat(place)
    return None if found is None else Picked(place, path.rpartition("/")[2], found)


def _expand(tree: Tree, parts: list[str]) -> Iterator[str]:
    """Paths that match a pattern, component by component."""
    level = [""]
    for number, part in enumerate(parts):
        if not has_wildcards(part):
            level = [join(path, part) for path in level]
            continue
        try:
            regex = compile_match(part)
        except ValueError as error:
            raise SourceError(str(error), ref="/".join(parts)) from None
        below: list[str] = []
        last = number == len(parts) - 1
        for path in level:
            place = resolve(tree, path)
            found = tree.stat(place)
            if found is None or not stat.S_ISDIR(found.st_mode):
                continue
            with tree.directory(place) as folder:
                below.extend(
                    join(path, entry.name)
                    for entry in folder.entries()
                    if regex.fullmatch(entry.name) and (last or not stat.S_ISREG(entry.stat.st_mode))
                )
        level = below
    return (path for path in level if tree.stat(resolve(tree, path, follow_last=False)) is not None)


def _similar(tree: Tree, parts: list[str]) -> str:
    """`; did you mean 'x'?`, when the folder holds something of nearly that name."""
    from difflib import get_close_matches

    parent = resolve(tree, "/".join(parts[:-1]))
    found = tree.stat(parent)
    if not parts or found is None or not stat.S_ISDIR(found.st_mode):
        return ""
    with tree.directory(parent) as folder:
        names = [entry.name for entry in folder.entries()]
    close = get_close_matches(parts[-1], names, n=1, cutoff=0.7)
    return f"; did you mean {join('/'.join(parts[:-1]), close[0])!r}?" if close else ""
