"""Walking what a copy takes: folders before what is in them, names in byte order, nothing recursive."""

from __future__ import annotations

import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from .tree import join

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from .selection import Filter
    from .tree import Directory, Tree

__all__ = ["Visit", "walk"]


class Visit(NamedTuple):
    """Something met on a walk. `path` is relative to where the walk began; `folder` is what holds it, open."""

    path: str
    name: str
    stat: os.stat_result
    folder: Directory


def walk(tree: Tree, top: str, chosen: Filter | None = None) -> Iterator[Visit]:
    """Everything below the folder `top`, not `top` itself.

    chosen: only what it takes, and the folders that leads through.
    """
    with ExitStack() as opened:
        folder = opened.enter_context(tree.directory(top))
        # One frame per open folder: its path, itself, what is left of it, and its own visit if nobody got it yet.
        frames: list[_Frame] = [_Frame("", top, folder, iter(_visits("", folder)), None, opened)]
        while frames:
            frame = frames[-1]
            visit = next(frame.rest, None)
            if visit is None:
                frames.pop()
                if frame.closes is not opened:
                    frame.closes.close()
                continue
            is_folder = stat.S_ISDIR(visit.stat.st_mode)
            taken = chosen is None or not chosen or chosen.takes(visit.path)
            if taken:
                yield from _due(frames)
                yield visit
            if is_folder and (taken or chosen is not None):
                closes = ExitStack()
                opened.push(closes)
                place = join(frame.place, visit.name)
                inner = closes.enter_context(tree.directory(place))
                pending = None if taken else visit
                rest = iter(_visits(visit.path, inner))
                frames.append(_Frame(visit.path, place, inner, rest, pending, closes))


class _Frame:
    __slots__ = ("closes", "folder", "path", "pending", "place", "rest")

    def __init__(
        self,
        path: str,
        place: str,
        folder: Directory,
        rest: Iterator[Visit],
        pending: Visit | None,
        closes: ExitStack,
    ) -> None:
        self.path = path
        self.place = place
        self.folder = folder
        self.rest = rest
        self.pending = pending
        self.closes = closes


def _visits(path: str, folder: Directory) -> list[Visit]:
    return [Visit(join(path, entry.name), entry.name, entry.stat, folder) for entry in folder.entries()]


def _due(frames: list[_Frame]) -> Iterator[Visit]:
    """Folders that were not taken themselves, but lead to something that is."""
    for frame in frames:
        if frame.pending is not None:
            yield frame.pending
            frame.pending = None
