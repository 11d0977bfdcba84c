"""Folders that a layer only passes through: what they are is for the layers below to say.

An image's layer may hold `usr/bin/tool` and no member for `usr` or `usr/bin`. Unpacked by itself, without what is
below, it gets plain folders there, which would hide the mode and the owner of those below, or take the place of a link:
with `lib` -> `usr/lib` below, `lib/x` belongs into `usr/lib`. containerd and Docker unpack onto the mounted layers,
where neither happens. So a stack with such a layer gets one more folder, right above it, that puts this right: it lies
inside the layer's own, one for each stack below, holds no contents of its own (hard links), and no image ever shows it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..overlay import OPAQUE, is_whiteout
from .merged import MergedTree, is_opaque
from .tree import join, resolve
from .writer import LayerWriter, set_owner
from .xattrs import own_xattrs, set_xattrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mend"]


def mend(below: Sequence[str], layer: str, implied: Sequence[str], upper: str, *, userxattr: bool) -> None:
    """Write into the empty folder `upper` what a layer needs above it, if anything.

    below: the folders of the stack under it, bottom first. implied: paths in the layer, in any order.
    """
    mending = _Mending(below, layer, upper, userxattr=userxattr)
    mending.run(sorted(implied))


class _Mending:
    def __init__(self, below: Sequence[str], layer: str, upper: str, *, userxattr: bool) -> None:
        self._layer = layer
        self._opaque = OPAQUE[userxattr]
        self._below = MergedTree(below, userxattr=userxattr)
        self._seen = MergedTree([*below, layer], userxattr=userxattr)
        self._writer = LayerWriter(self._seen, upper, userxattr=userxattr)
        self._implied: frozenset[str] = frozenset()
        self._moved: list[str] = []  # folders whose contents went where a link of the base leads

    def run(self, implied: Sequence[str]) -> None:
        """implied: parents first."""
        self._implied = frozenset(implied)
        for path in implied:
            self._look_at(path)
        self._writer.finish()

    def _look_at(self, path: str) -> None:
        if any(path.startswith(moved + "/") for moved in self._moved) or not self._shows_below(path):
            return
        found = self._below.stat(path)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            self._take_over(path, found)
        elif stat.S_ISLNK(found.st_mode):
            target = resolve(self._below, path)
            there = self._below.stat(target)
            if there is not None and stat.S_ISDIR(there.st_mode):
                self._move(path, found, target)

    def _shows_below(self, path: str) -> bool:
        """Whether the layer hides nothing of what is below at the path: no folder on the way is opaque."""
        at = 0
        while at >= 0:
            at = path.find("/", at + 1)
            if is_opaque(f"{self._layer}/{path[:at] if at >= 0 else path}", self._opaque):
                return False
        return True

    def _take_over(self, path: str, found: os.stat_result) -> None:
        """Give the folder what the one below has."""
        place = self._open(path)
        with self._below.directory(path) as folder:
            set_owner(place, (found.st_uid, found.st_gid))
            set_xattrs(place, folder.xattrs(""))
        os.chmod(place, stat.S_IMODE(found.st_mode))
        self._writer.set_times(path, (found.st_atime_ns, found.st_mtime_ns))

    def _open(self, path: str) -> str:
        """The folder in the new layer, made with what is seen now; those above it keep their times too."""
        self._writer.open_folder(path)
        at = 0
        while at >= 0:
            at = path.find("/", at + 1)
            folder = path[:at] if at >= 0 else path
            found = self._seen.stat(folder)
            if found is not None:
                self._writer.keep_times(folder, (found.st_atime_ns, found.st_mtime_ns))
        return self._writer.place(path)

    def _move(self, path: str, link: os.stat_result, target: str) -> None:
        """What the layer has in a folder that is a link below belongs where that leads."""
        self._moved.append(path)
        todo = [(path, target)]
        while todo:
            source, dest = todo.pop()
            self._open(dest)
            with os.scandir(f"{self._layer}/{source}") as scan:
                put = [(entry.name, self._put(entry, source, dest)) for entry in sorted(scan, key=os.fspath)]
            todo += [(join(source, name), place) for name, place in put if place]
        self._writer.remove(path)
        place = self._writer.clear(path)
        parent, _, name = path.rpartition("/")
        with self._below.directory(parent) as folder:
            os.symlink(folder.readlink(name), place)
        self._writer.set_owner(place, (link.st_uid, link.st_gid))
        os.utime(place, ns=(link.st_atime_ns, link.st_mtime_ns), follow_symlinks=False)

    def _put(self, entry: os.DirEntry[str], source: str, dest: str) -> str:
        """Have an entry of the layer at another place; the folder to go on with, if it is one."""
        found = entry.stat(follow_symlinks=False)
        place = join(dest, entry.name)
        if is_whiteout(found):
            self._writer.remove(place)
            return ""
        if not stat.S_ISDIR(found.st_mode):
            os.link(entry.path, self._writer.clear(place, replace=True), follow_symlinks=False)
            return ""
        if join(source, entry.name) in self._implied:
            return resolve(self._writer, place)
        there = self._writer.stat(place)
        if there is not None and (not stat.S_ISDIR(there.st_mode) or is_opaque(entry.path, self._opaque)):
            self._writer.remove(place)
        made = self._open(place)
        set_owner(made, (found.st_uid, found.st_gid))
        set_xattrs(made, own_xattrs(entry.path))
        os.chmod(made, stat.S_IMODE(found.st_mode))
        self._writer.set_times(place, (found.st_atime_ns, found.st_mtime_ns))
        return place
