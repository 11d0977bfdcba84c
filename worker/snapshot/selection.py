"""Which files a copy takes: the one place that knows, for hashing them and for copying them alike.

Rules of BuildKit's file ops: links in the source are followed inside its root; a wildcard is matched one
component at a time, and the folder before the first one must be there; a plain name that is not there is
an error, a wildcard that matches nothing may be nothing.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SourceError
from ...patterns import IgnoreList, clean_path, compile_match, has_wildcards
from .tree import join, resolve

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

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
    """The sources of a copy, in byte order of their paths, component by component.

    Raises SourceError for a plain source that is not there, or a wildcard that matches nothing and must.
    """
    path = clean_path(copy.src)
    parts = path.split("/") if path else []
    if copy.allow_wildcard and any(has_wildcards(part) for part in parts):
        found = [_picked(tree, path, copy) for path in _expand(tree, parts, copy)]
        if not found and not copy.allow_empty_wildcard:
            raise SourceError(f"{copy.src!r} matches nothing", ref=copy.src)
    else:
        found = [_picked(tree, path, copy)]
    chosen = Filter(copy)
    for required in map(clean_path, copy.required_paths):
        below = required.removeprefix(path).lstrip("/")
        if tree.stat(required) is None or (below and chosen and not chosen.takes(below)):
            raise SourceError(f"{required!r} not found{_similar(tree, required)}", ref=copy.src)
    # A file named in the source has no path below it; the documentation of --exclude goes by its name.
    return [one for one in found if stat.S_ISDIR(one.stat.st_mode) or not chosen or chosen.takes(one.name)]


def _picked(tree: Tree, path: str, copy: FileCopy) -> Picked:
    place = resolve(tree, path, follow_last=copy.follow_symlink)
    found = tree.stat(place)
    if found is None:
        raise _missing(tree, path)
    return Picked(place, path.rpartition("/")[2], found)


def _expand(tree: Tree, parts: Sequence[str], copy: FileCopy) -> list[str]:
    """Paths that match a pattern, component by component; links below its plain beginning are not looked through."""
    plain = next(number for number, part in enumerate(parts) if has_wildcards(part))
    start = "/".join(parts[:plain])
    place = resolve(tree, start, follow_last=copy.follow_symlink)
    if not _is_folder(tree, place):
        raise _missing(tree, start)
    level = [(start, place)]  # as written, and where it is
    for part in parts[plain:]:
        names = _matching(tree, part, copy)
        level = [(join(path, name), join(place, name)) for path, place in level for name in names(place)]
    return [path for path, _ in level]


def _matching(tree: Tree, part: str, copy: FileCopy) -> Callable[[str], list[str]]:
    """From a folder to the names in it that match one component of a pattern."""
    try:
        matches = compile_match(part).fullmatch
    except ValueError as error:
        raise SourceError(str(error), ref=copy.src) from None

    def names(place: str) -> list[str]:
        if not _is_folder(tree, place):
            return []
        with tree.directory(place) as folder:
            return [entry.name for entry in folder.entries() if matches(entry.name)]

    def name(place: str) -> list[str]:
        return [] if tree.stat(join(place, part)) is None else [part]

    return names if has_wildcards(part) or "\\" in part else name


def _is_folder(tree: Tree, place: str) -> bool:
    found = tree.stat(place)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _missing(tree: Tree, path: str) -> SourceError:
    if tree.stat(resolve(tree, path, follow_last=False)) is not None:
        return SourceError(f"{path!r} is a symbolic link to nothing that is there", ref=path)
    return SourceError(f"{path or '/'!r} not found{_similar(tree, path)}", ref=path)


def _similar(tree: Tree, path: str) -> str:
    """`; did you mean 'x'?`, when the folder holds something of nearly that name."""
    from difflib import get_close_matches

    above, _, last = path.rpartition("/")
    parent = resolve(tree, above)
    if not last or not _is_folder(tree, parent):
        return ""
    with tree.directory(parent) as folder:
        names = [entry.name for entry in folder.entries()]
    close = get_close_matches(last, names, n=1, cutoff=0.7)
    return f"; did you mean {join(above, close[0])!r}?" if close else ""
