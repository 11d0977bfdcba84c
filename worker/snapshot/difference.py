"""What differs between two trees, written as a layer: of a copy that a process has worked in, and what was copied."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...llb import FileCopy
from .transfer import Copying, CopySettings
from .tree import join
from .xattrs import own_xattrs

if TYPE_CHECKING:
    from .merged import MergedDirectory, MergedTree
    from .writer import LayerWriter

__all__ = ["copy_tree", "write_difference"]

_CHUNK = 1 << 20


def copy_tree(tree: MergedTree, writer: LayerWriter) -> None:
    """Copy everything, the root's own mode and owner included, into an empty folder without anything below."""
    copying = _everything(tree, writer)
    root = tree.stat("")
    if root is None:
        return
    copying.add_contents("", "")
    with tree.directory("") as folder:
        copying.dress(folder, "", root, "")
    writer.set_times("", copying.times(root))
    writer.finish()


def write_difference(before: MergedTree, after: MergedTree, writer: LayerWriter, *, since_ns: int) -> None:
    """Write the layer that makes `after` of `before`, on which the writer works.

    since_ns: what has not changed since then (ctime) is taken for equal. Deletions become whiteouts; a device 0/0 in
    `after` is taken for nothing, as in a layer.
    """
    _Comparing(before, after, writer, since_ns).run()


def _everything(tree: MergedTree, writer: LayerWriter) -> Copying:
    return Copying(tree, writer, CopySettings(copy=FileCopy(src="/", dest="/", always_replace_existing=True)))


class _Comparing:
    def __init__(self, before: MergedTree, after: MergedTree, writer: LayerWriter, since_ns: int) -> None:
        self._before = before
        self._after = after
        self._writer = writer
        self._since_ns = since_ns
        self._copying = _everything(after, writer)
        self._todo = [""]

    def run(self) -> None:
        while self._todo:
            self._compare_folder(self._todo.pop())
        self._writer.finish()

    def _compare_folder(self, path: str) -> None:
        then = self._before.listing(path)  # of a new folder: with nothing in it
        with self._after.directory(path) as now:
            old = {entry.name: entry.stat for entry in then.entries()}
            new = {entry.name: entry.stat for entry in now.entries()}
            for name in old.keys() - new.keys():
                self._writer.remove(join(path, name))
            for name, found in new.items():
                target = join(path, name)
                was = old.get(name)
                if stat.S_ISDIR(found.st_mode):
                    self._compare_entry_folder(now, then, name, found, was, target)
                elif was is None or self._differs(now, then, name, found, was):
                    self._put(now, name, found, was, target)
        found_here = self._after.stat(path)
        if path and found_here is not None:  # the root is no member of a layer
            self._writer.keep_times(path, self._copying.times(found_here))

    def _compare_entry_folder(
        self,
        now: MergedDirectory,
        then: MergedDirectory,
        name: str,
        found: os.stat_result,
        was: os.stat_result | None,
        target: str,
    ) -> None:
        self._todo.append(target)
        if was is not None and not stat.S_ISDIR(was.st_mode):
            self._writer.remove(target)
            was = None
        if was is None:
            self._writer.make_folder(target)
        elif found.st_ctime_ns < self._since_ns or (
            _facts(found) == _facts(was) and now.xattrs(name) == then.xattrs(name)
        ):
            return
        else:
            self._writer.open_folder(target)  # with the attributes it had
            place = self._writer.place(target)
            for attribute in own_xattrs(place).keys() - now.xattrs(name).keys():
                os.removexattr(place, attribute)
        self._copying.dress(now, name, found, target)
        self._writer.set_times(target, self._copying.times(found))

    def _put(
        self, now: MergedDirectory, name: str, found: os.stat_result, was: os.stat_result | None, target: str
    ) -> None:
        if was is not None and (stat.S_ISDIR(was.st_mode) or stat.S_ISSOCK(found.st_mode)):
            self._writer.remove(target)
        self._copying.add(now, target, name, found, target)

    def _differs(
        self, now: MergedDirectory, then: MergedDirectory, name: str, found: os.stat_result, was: os.stat_result
    ) -> bool:
        if found.st_ctime_ns < self._since_ns:
            return False
        if _facts(found) != _facts(was) or found.st_nlink != was.st_nlink:
            return True
        if stat.S_ISLNK(found.st_mode):
            return now.readlink(name) != then.readlink(name)
        if not stat.S_ISREG(found.st_mode):
            return found.st_rdev != was.st_rdev
        return now.xattrs(name) != then.xattrs(name) or not _same_bytes(now.open(name), then.open(name))


def _facts(found: os.stat_result) -> tuple[int, ...]:
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, size


def _same_bytes(one: int, other: int) -> bool:
    """Whether two open files of one size are equal; closes them."""
    try:
        while (data := os.read(one, _CHUNK)) == os.read(other, _CHUNK):
            if not data:
                return True
        return False
    finally:
        os.close(one)
        os.close(other)
