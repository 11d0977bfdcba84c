"""Walking what a copy takes: folders before what is in them, names in byte order, nothing recursive."""

from __future__ import annotations

from stat import S_IFDIR
from typing import TYPE_CHECKING

from .rows import Visit
from .tree import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .rows import Entry
    from .selection import Filter
    from .tree import Directory, Tree

__all__ = ["walk"]


class _Frame:
    """A folder under way."""

    __slots__ = ("folder", "path", "pending", "place", "rest", "takes")

    def __init__(
        self, path: str, place: str, folder: Directory, takes: Callable[[str], bool] | None, pending: Visit | None
    ) -> None:
        self.path = path
        self.place = place
        self.folder = folder
        self.takes = takes
        self.pending = pending  # its own visit, if nobody got that yet
        self.rest: Iterator[Entry] = iter(folder.entries())


def walk(tree: Tree, top: str, chosen: Filter | None = None) -> Iterator[Visit]:
    """Everything below the folder `top`, not `top` itself.

    chosen: only what it takes, and the folders that leads through.
    """
    frames: list[_Frame] = []
    opened: list[Directory] = []

    def enter(path: str, place: str, pending: Visit | None) -> None:
        folder = tree.directory(place)
        folder.__enter__()
        opened.append(folder)
        frames.append(_Frame(path, place, folder, chosen.within(path) if chosen else None, pending))

    try:
        enter("", top, None)
        while frames:
            frame = frames[-1]
            takes, folder = frame.takes, frame.folder
            prefix = frame.path + "/" if frame.path else ""
            for name, found in frame.rest:
                visit = Visit(prefix + name, name, found, folder, takes is None or takes(name))
                is_folder = found.st_mode & 0o170000 == S_IFDIR
                if visit.taken:
                    if takes is not None:
                        yield from _due(frames)
                    yield visit
                if is_folder and (visit.taken or (chosen is not None and chosen.may_lead(visit.path))):
                    enter(visit.path, join(frame.place, name), None if visit.taken else visit)
                    break
            else:
                frames.pop()
                opened.pop().__exit__(None, None, None)
    finally:
        for folder in reversed(opened):
            folder.__exit__(None, None, None)


def _due(frames: list[_Frame]) -> Iterator[Visit]:
    """Folders that were not taken themselves, now that something in them is."""
    for frame in frames:
        if frame.pending is not None:
            yield frame.pending
            frame.pending = None
