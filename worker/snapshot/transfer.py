"""Copying what a copy takes into a layer: contents in the kernel, metadata beside them."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from ...errors import LlbuildError, SourceError
from ..owners import make_device, meant, recall, remembering
from .bytecopy import copy_bytes
from .selection import Filter
from .tree import Tree, join
from .walking import walk
from .writer import set_owner
from .xattrs import own_xattrs, set_xattrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...llb import FileCopy
    from .rows import Picked
    from .tree import Directory
    from .writer import LayerWriter, Owner

__all__ = ["CopyPlan", "CopySettings", "CopyTarget", "Copying", "changed"]


class CopyTarget(Tree, Protocol):
    """A layer that a copy goes into, seen together with what lies below it."""

    def make_folder(self, path: str, *, mode: int = 0o755, owner: Owner = (0, 0)) -> bool:
        """See that there is a folder; whether it is new. Raises LlbuildError when something else is in the way."""
        ...

    def set_times(self, path: str, times: tuple[int, int]) -> None:
        """Of a folder: of reading and of change, in ns."""
        ...

    def set_mode(self, path: str, mode: int) -> None:
        """Of a folder of this layer."""
        ...

    def remove(self, path: str) -> None:
        """Take away what is at the path, in this layer and in those below."""
        ...


class CopySettings:
    """How copies look at the other end. `mode`: from a file's own st_mode to the copy's permissions."""

    __slots__ = ("copy", "mode", "owner")

    def __init__(self, *, copy: FileCopy, owner: Owner | None = None, mode: Callable[[int], int] | None = None) -> None:
        self.copy = copy
        self.owner = owner  # None: the source's, or 0:0 where that means nothing
        self.mode = mode


class CopyPlan(ABC):
    """One source of a copy, and what of it goes where. How it gets there is a subclass's to say."""

    def __init__(self, tree: Tree, target: CopyTarget, settings: CopySettings) -> None:
        self._tree = tree
        self._target = target
        self._settings = settings
        self._owner = settings.owner
        self._mode = settings.mode
        self._stamp = settings.copy.timestamp
        self._replace = settings.copy.always_replace_existing

    def add_picked(self, picked: Picked, dest: str) -> None:
        """Copy a picked source to `dest`, a path of the layer: a file becomes it, a folder's contents go into it.

        A folder that is there keeps its metadata but for the time; folders inside it get those of the source.
        Raises LlbuildError, SourceError.
        """
        if not stat.S_ISDIR(picked.stat.st_mode):
            parent, _, name = picked.path.rpartition("/")
            with self._tree.directory(parent) as folder:
                self.add(folder, picked.path, name, picked.stat, dest)
            return
        self.make_room_for_folder(dest)
        if self._target.make_folder(dest):
            with self._tree.directory(picked.path) as folder:
                self.dress(folder, "", picked.stat, dest)
        self._target.set_times(dest, self.times(picked.stat))
        copy = self._settings.copy
        self.add_contents(picked.path, dest, Filter(copy) if copy.exclude_patterns or copy.include_patterns else None)

    def add_contents(self, source: str, dest: str, chosen: Filter | None = None) -> None:
        """Copy what is in a folder into another, which is there."""
        target = self._target
        for path, name, found, folder, taken in walk(self._tree, source, chosen):
            place = join(dest, path)
            if found.st_mode & 0o170000 != stat.S_IFDIR:
                self.add(folder, join(source, path), name, found, place)
                continue
            self.make_room_for_folder(place)
            if target.make_folder(place) or taken:
                self.dress(folder, name, found, place)
                target.set_times(place, self.times(found))
            else:
                target.set_mode(place, stat.S_IMODE(found.st_mode))

    def make_room_for_folder(self, path: str) -> None:
        found = self._target.stat(path)
        if found is None or stat.S_ISDIR(found.st_mode):
            return
        if not self._replace:
            raise LlbuildError(f"cannot copy a folder onto /{path}: it is not a folder")
        self._target.remove(path)

    @abstractmethod
    def add(self, folder: Directory, path: str, name: str, found: os.stat_result, target: str) -> None:
        """Copy something that is no folder: `name` in `folder`, at `path` of the tree."""

    @abstractmethod
    def dress(self, folder: Directory, name: str, found: os.stat_result, target: str) -> None:
        """Give a folder the metadata of its source."""

    def times(self, found: os.stat_result) -> tuple[int, int]:
        return (self._stamp, self._stamp) if self._stamp >= 0 else (found.st_atime_ns, found.st_mtime_ns)

    def owner_of(self, found: os.stat_result) -> Owner:
        if self._owner is not None:
            return self._owner
        return (found.st_uid, found.st_gid) if self._tree.owners else (0, 0)

    def mode_of(self, found: os.stat_result) -> int:
        return found.st_mode & 0o7777 if self._mode is None else self._mode(found.st_mode)


class Copying(CopyPlan):
    """One source on its way into a layer."""

    def __init__(self, tree: Tree, writer: LayerWriter, settings: CopySettings) -> None:
        super().__init__(tree, writer, settings)
        self._writer = writer
        self._links: dict[tuple[int, int], str] = {}  # (device, inode) -> place of the first copy

    def dress(self, folder: Directory, name: str, found: os.stat_result, target: str) -> None:
        place = self._writer.place(target)
        set_owner(place, self.owner_of(found))
        if xattrs := folder.xattrs(name):
            set_xattrs(place, xattrs)
        os.chmod(place, self.mode_of(found))

    def add(self, folder: Directory, path: str, name: str, found: os.stat_result, target: str) -> None:  # noqa: ARG002
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFREG:
            if found.st_nlink == 1 or not self._linked(found, target):
                self._add_file(folder, name, target)
            return
        if kind == stat.S_IFSOCK:
            return  # a socket without its process is nothing, and no layer can hold one
        place = self._writer.clear(target, replace=self._replace)
        if kind == stat.S_IFLNK:
            os.symlink(folder.readlink(name), place)
            self._writer.set_owner(place, self.owner_of(found))
        else:
            self._make_node(place, found, target)
        os.utime(place, ns=self.times(found), follow_symlinks=False)

    def _linked(self, found: os.stat_result, target: str) -> bool:
        """Make a hard link if another name of the file was copied before."""
        first = self._links.setdefault((found.st_dev, found.st_ino), target)
        if first == target:
            return False
        place = self._writer.clear(target, replace=self._replace)
        os.link(self._writer.place(first), place, follow_symlinks=False)
        return True

    def _add_file(self, folder: Directory, name: str, target: str) -> None:
        source = folder.open(name)
        try:
            found = os.fstat(source)
            if found.st_mode & 0o170000 != stat.S_IFREG:
                raise changed(target)
            mode = self.mode_of(found)
            copy = self._writer.create(target, mode=mode, replace=self._replace)
            try:
                copy_bytes(source, copy, found)
                owned = meant(found, recall(source)) if self._tree.owners and remembering() else found
                self._dress_file(copy, own_xattrs(source), self.owner_of(owned), mode)
                os.utime(copy, ns=self.times(found))
            finally:
                os.close(copy)
            now = os.fstat(source)
            if (now.st_mtime_ns, now.st_ctime_ns, now.st_size) != (found.st_mtime_ns, found.st_ctime_ns, found.st_size):
                raise changed(target)
        finally:
            os.close(source)

    def _dress_file(self, copy: int, xattrs: Mapping[str, bytes], owner: Owner, mode: int) -> None:
        """Owner, attributes, mode, in the order in which none undoes another; what is right already is left alone."""
        made = os.fstat(copy)
        if (made.st_uid, made.st_gid) != owner:
            set_owner(copy, owner)
        if xattrs:
            set_xattrs(copy, xattrs)
        if xattrs or made.st_mode & 0o7777 != mode:
            os.fchmod(copy, mode)

    def _make_node(self, place: str, found: os.stat_result, target: str) -> None:
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFCHR and found.st_rdev == 0:
            raise LlbuildError(f"cannot copy the device 0/0 to /{target}: in a layer it stands for a deletion")
        try:
            os.mknod(place, kind | 0o600, found.st_rdev if kind != stat.S_IFIFO else 0)
        except PermissionError:
            if not remembering():
                raise LlbuildError(f"cannot copy the device /{target}: that takes root's rights") from None
            make_device(place, (*self.owner_of(found), kind, found.st_rdev), self.mode_of(found))
            return
        self._writer.set_owner(place, self.owner_of(found))
        os.chmod(place, self.mode_of(found))


def changed(target: str) -> SourceError:
    return SourceError(
        f"the source of '/{target}' changed while the build was copying it", ref=target, hint="build again"
    )
