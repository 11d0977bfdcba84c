"""Copying what a copy takes into a layer: contents in the kernel, metadata beside them."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import LlbuildError, SourceError
from .merged import own_xattrs
from .selection import Filter
from .tree import join
from .walking import walk
from .writer import set_owner, set_xattrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...llb import FileCopy
    from .selection import Picked
    from .tree import Directory, Tree
    from .writer import LayerWriter, Owner, Times

__all__ = ["CopySettings", "copy_picked"]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True, kw_only=True)
class CopySettings:
    """How copies look at the other end. `mode`: from a file's own permissions to the copy's."""

    copy: FileCopy
    owner: Owner | None = None  # None: the source's, or 0:0 where that means nothing
    mode: Callable[[int], int] | None = None
    made: set[str] = field(default_factory=set)  # folders of the layer made to hold the copies
    links: dict[tuple[int, int], str] = field(default_factory=dict)  # (device, inode) -> path in the layer


def copy_picked(tree: Tree, picked: Picked, writer: LayerWriter, dest: str, settings: CopySettings) -> None:
    """Copy a picked source to `dest`, a path of the layer: a file becomes it, a folder's contents go into it.

    Raises LlbuildError, SourceError.
    """
    if not stat.S_ISDIR(picked.stat.st_mode):
        parent, _, name = picked.path.rpartition("/")
        with tree.directory(parent) as folder:
            _copy_one(tree, folder, name, picked.stat, writer, dest, settings)
        return
    _make_room_for_folder(writer, dest, settings)
    is_new = writer.make_folder(dest, owner=settings.owner or (0, 0))
    if is_new or dest in settings.made:
        if is_new and not settings.copy.dir_copy_contents:
            with tree.directory(picked.path) as folder:
                _dress_folder(
                    writer, dest, picked.stat, folder.xattrs(""), _owner(tree, picked.stat, settings), settings
                )
        writer.set_times(dest, _times(picked.stat, settings))
    chosen = Filter(settings.copy)
    for visit in walk(tree, picked.path, chosen or None):
        target = join(dest, visit.path)
        if stat.S_ISDIR(visit.stat.st_mode):
            _make_room_for_folder(writer, target, settings)
            writer.make_folder(target)
            xattrs = visit.folder.xattrs(visit.name)
            _dress_folder(writer, target, visit.stat, xattrs, _owner(tree, visit.stat, settings), settings)
        else:
            _copy_one(tree, visit.folder, visit.name, visit.stat, writer, target, settings)


def _dress_folder(
    writer: LayerWriter,
    target: str,
    found: os.stat_result,
    xattrs: Mapping[str, bytes],
    owner: Owner,
    settings: CopySettings,
) -> None:
    """What BuildKit gives a copied folder, also one that was there: everything but what is in it."""
    place = writer.place(target)
    set_owner(place, owner)
    set_xattrs(place, xattrs)
    os.chmod(place, _mode(found, settings))
    writer.set_times(target, _times(found, settings))


def _make_room_for_folder(writer: LayerWriter, target: str, settings: CopySettings) -> None:
    found = writer.stat(target)
    if found is None or stat.S_ISDIR(found.st_mode):
        return
    if not settings.copy.always_replace_existing:
        raise LlbuildError(f"cannot copy a folder onto /{target}: it is not a folder")
    writer.remove(target)


def _copy_one(
    tree: Tree,
    folder: Directory,
    name: str,
    found: os.stat_result,
    writer: LayerWriter,
    target: str,
    settings: CopySettings,
) -> None:
    mode = found.st_mode
    if stat.S_ISSOCK(mode):
        return  # a socket without its process is nothing; BuildKit skips them too
    replace = settings.copy.always_replace_existing
    place = writer.clear(target, replace=replace)
    if stat.S_ISREG(mode):
        if found.st_nlink > 1:
            first = settings.links.setdefault((found.st_dev, found.st_ino), target)
            if first != target:
                os.link(writer.place(first), place, follow_symlinks=False)
                return
        _copy_file(tree, folder, name, place, settings)
        return
    if stat.S_ISLNK(mode):
        os.symlink(folder.readlink(name), place)
        set_owner(place, _owner(tree, found, settings))
    else:
        os.mknod(place, stat.S_IFMT(mode) | 0o600, found.st_rdev)
        set_owner(place, _owner(tree, found, settings))
        os.chmod(place, _mode(found, settings))
    _set_times(place, found, settings)


def _copy_file(tree: Tree, folder: Directory, name: str, place: str, settings: CopySettings) -> None:
    source = folder.open(name)
    try:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise _changed(name)
        target = os.open(place, _CREATE, 0o600)
        try:
            _copy_bytes(source, target, found)
            if _state(os.fstat(source)) != _state(found):
                raise _changed(name)
            set_owner(target, _owner(tree, found, settings))
            xattrs = own_xattrs(source)
            if xattrs:
                set_xattrs(target, xattrs)
            os.fchmod(target, _mode(found, settings))
            _set_times(target, found, settings)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _changed(name: str) -> SourceError:
    return SourceError(f"{name!r} changed while the build was reading it", ref=name, hint="build again")


def _copy_bytes(source: int, target: int, found: os.stat_result) -> None:
    """Copy the content; where a file has holes, so has its copy."""
    size = found.st_size
    if found.st_blocks * 512 >= size:
        _copy_range(source, target, 0, size)
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no data any more
                raise
            break
        end = os.lseek(source, start, os.SEEK_HOLE)
        _copy_range(source, target, start, end - start)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, start: int, size_bytes: int) -> None:
    """In the kernel: shares blocks where the file system can (copy_file_range(2)), else copies without us."""
    end = start + size_bytes
    while start < end:
        try:
            count = os.copy_file_range(source, target, end - start, start, start)
        except OSError:  # e.g. across file systems
            os.lseek(target, start, os.SEEK_SET)
            count = os.sendfile(target, source, start, min(end - start, 1 << 30))
        if count == 0:
            break
        start += count


def _owner(tree: Tree, found: os.stat_result, settings: CopySettings) -> Owner:
    if settings.owner is not None:
        return settings.owner
    return (found.st_uid, found.st_gid) if tree.owners else (0, 0)


def _mode(found: os.stat_result, settings: CopySettings) -> int:
    mode = stat.S_IMODE(found.st_mode)
    if settings.mode is None:
        return mode
    return settings.mode(found.st_mode)


def _times(found: os.stat_result, settings: CopySettings) -> Times:
    stamp = settings.copy.timestamp
    return (found.st_atime_ns, found.st_mtime_ns) if stamp < 0 else (stamp, stamp)


def _set_times(place: str | int, found: os.stat_result, settings: CopySettings) -> None:
    times = _times(found, settings)
    if isinstance(place, int):
        os.utime(place, ns=times)
    else:
        os.utime(place, ns=times, follow_symlinks=False)
