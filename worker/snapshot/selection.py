"""Which files a copy takes: the one place that knows, for hashing them and for copying them alike.

Rules of BuildKit's file ops: a wildcard is matched one component at a time and not through links, links
in a plain source are followed inside its root, a plain name that is not there is an error, a wildcard that
matches nothing may be nothing. Include and exclude patterns speak of what is inside a folder that is copied.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...patterns import IgnoreList, clean_path, compile_match, has_wildcards
from .rows import Picked
from .tree import join, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...llb import FileCopy
    from .tree import Tree

__all__ = ["Filter", "pick"]

_MOST_NAMES = 5000  # that are compared with one that is not there


class Filter:
    """The include and exclude patterns of a copy, on paths relative to the folder that is copied."""

    def __init__(self, copy: FileCopy) -> None:
        try:
            self._excludes = IgnoreList(copy.exclude_patterns)
            self._includes = IgnoreList(copy.include_patterns)
        except ValueError as error:
            raise SourceError(str(error), ref=copy.src) from None

    def __bool__(self) -> bool:
        return bool(self._excludes) or bool(self._includes)

    def takes(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return self.within(folder)(name)

    def within(self, folder: str) -> Callable[[str], bool]:
        """Tells for the names in a folder whether they are taken."""
        excludes = self._excludes.within(folder)
        if not self._includes:
            return lambda name: not excludes(name)
        includes = self._includes.within(folder)
        return lambda name: includes(name) and not excludes(name)

    def may_lead(self, folder: str) -> bool:
        """Whether something below the folder may be taken; if the folder itself is not, it is looked through."""
        if self._excludes.excludes(folder) and not self._excludes.may_include_below(folder):
            return False
        return not self._includes or self._includes.may_match_below(folder)


def pick(tree: Tree, copy: FileCopy) -> list[Picked]:
    """The sources of a copy, in the order of a walk.

    Raises SourceError for a plain source that is not there, or a wildcard that matches nothing and must.
    """
    source = clean_path(copy.src)
    paths = [source]
    if copy.allow_wildcard and has_wildcards(source):
        paths = _expand(tree, source, copy)
        if not paths and not copy.allow_empty_wildcard:
            raise SourceError(f"{copy.src!r} matches nothing", ref=copy.src)
    found = [_picked(tree, path, copy) for path in paths]
    if not (copy.exclude_patterns or copy.include_patterns or copy.required_paths):
        return found
    chosen = Filter(copy)
    for required in map(clean_path, copy.required_paths):
        inside = required.removeprefix(source).lstrip("/")
        if tree.stat(required) is None or (inside and chosen and not chosen.takes(inside)):
            raise _not_found(tree, required)
    # A file that is named itself has no path below the source; the documentation of --exclude goes by its name
    return [one for one in found if stat.S_ISDIR(one.stat.st_mode) or chosen.takes(one.name)]


def _picked(tree: Tree, path: str, copy: FileCopy) -> Picked:
    place = resolve(tree, path, follow_last=copy.follow_symlink)
    found = tree.stat(place)
    if found is None:
        raise _not_found(tree, path)
    return Picked(place, path.rpartition("/")[2], found)


def _expand(tree: Tree, source: str, copy: FileCopy) -> list[str]:
    """What matches a pattern, component by component."""
    parts = source.split("/")
    plain = next(number for number, part in enumerate(parts) if has_wildcards(part))
    start = resolve(tree, "/".join(parts[:plain]), follow_last=copy.follow_symlink)
    if tree.stat(start) is None:
        raise _not_found(tree, "/".join(parts[:plain]))
    level = [start]
    for number in range(plain, len(parts)):
        try:
            fits = compile_match(parts[number]).fullmatch
        except ValueError as error:
            raise SourceError(str(error), ref=copy.src) from None
        last = number == len(parts) - 1
        below: list[str] = []
        for path in level:
            found = tree.stat(path)
            if found is None or not stat.S_ISDIR(found.st_mode):
                continue
            with tree.directory(path) as folder:
                below.extend(
                    join(path, entry.name)
                    for entry in folder.entries()
                    if fits(entry.name) and (last or stat.S_ISDIR(entry.stat.st_mode))
                )
        level = below
    return level


def _not_found(tree: Tree, path: str) -> SourceError:
    from .folder import FolderTree

    name = repr(path or "/")
    place = resolve(tree, path)
    if isinstance(tree, FolderTree) and place and tree.excludes(place):
        return SourceError(f"{name} not found (excluded by .dockerignore)", ref=path)
    found = tree.stat(resolve(tree, path, follow_last=False))
    if found is not None and stat.S_ISLNK(found.st_mode):
        return SourceError(f"{name} is a symbolic link to nothing that is there", ref=path)
    return SourceError(f"{name} not found{_similar(tree, path)}", ref=path)


def _similar(tree: Tree, path: str) -> str:
    """`; did you mean 'x'?`, when the folder holds something of nearly that name."""
    above, _, name = path.rpartition("/")
    place = resolve(tree, above)
    found = tree.stat(place)
    if found is None or not stat.S_ISDIR(found.st_mode):
        return ""
    from difflib import get_close_matches

    with tree.directory(place) as folder:
        names = [entry.name for entry in folder.entries()[:_MOST_NAMES]]
    close = get_close_matches(name, names, n=1, cutoff=0.7)
    return f"; did you mean {join(above, close[0])!r}?" if close else ""
