"""File trees going out of llbuild: into a folder (`-o type=local`) or a plain tar (`-o type=tar`)."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from ...errors import ExportError
from ..snapshot import copy_bytes, walk
from . import member as kinds
from .member import Member
from .openfolders import OpenFolders
from .tarstream import TarStream
from .unpacker import Unpacker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..snapshot import Tree
    from ..snapshot.rows import Visit
    from .unpacker import Unpacked

__all__ = ["tree_to_folder", "trees_to_tar"]

_KINDS = {
    stat.S_IFREG: kinds.FILE,
    stat.S_IFLNK: kinds.SYMLINK,
    stat.S_IFDIR: kinds.DIRECTORY,
    stat.S_IFCHR: kinds.CHAR_DEVICE,
    stat.S_IFBLK: kinds.BLOCK_DEVICE,
    stat.S_IFIFO: kinds.FIFO,
}


def trees_to_tar(trees: Mapping[str, Tree], sink: Callable[[bytes], object], *, epoch_s: int | None = None) -> None:
    """Write each tree under its name as an archive to `sink`, sorted. One named "" has no folder of its own.

    epoch_s: how old everything is said to be, in seconds since 1970.
    """
    tar = TarStream(sink)
    for folder, tree in trees.items():
        prefix = os.fsencode(folder) + b"/" if folder else b""
        if folder:
            tar.add(Member(os.fsencode(folder), kinds.DIRECTORY, 0o755, 0, 0, (epoch_s or 0) * 10**9))
        for visit, member in _members(tree, epoch_s):
            link = prefix + member.link if member.kind == kinds.HARD_LINK else member.link
            _add(tar, visit, member._replace(name=prefix + member.name, link=link))
    tar.end()


def _add(tar: TarStream, visit: Visit, member: Member) -> None:
    if member.kind != kinds.FILE:
        tar.add(member)
        return
    fd = visit.folder.open(visit.name)
    try:
        tar.add_file(member, partial(os.read, fd))
    finally:
        os.close(fd)


def tree_to_folder(tree: Tree, dest: str, *, epoch_s: int | None = None) -> Unpacked:
    """Write the tree into the folder `dest`, made with its parents where missing.

    What is there already stays, unless the tree has something of that name. Everything belongs to whoever runs
    this, as with BuildKit's local exporter. epoch_s: as for `trees_to_tar`. Raises ExportError when the folder refuses.
    """
    path = dest
    try:
        os.makedirs(dest, exist_ok=True)
        with OpenFolders(dest, userxattr=False) as folders:
            unpacker = Unpacker(folders, owner=(os.geteuid(), os.getegid()))
            for visit, member in _members(tree, epoch_s):
                path = f"{dest}/{visit.path}"
                unpacker.make(member.name, member, partial(_fill, visit))
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
    return unpacker.summary()


def _fill(visit: Visit, fd: int) -> None:
    source = visit.folder.open(visit.name)
    try:
        copy_bytes(source, fd, os.fstat(source))
    finally:
        os.close(source)


def _members(tree: Tree, epoch_s: int | None) -> Iterator[tuple[Visit, Member]]:
    """Everything but sockets. A file met again under another name is a hard link to the first."""
    first: dict[tuple[int, int], bytes] = {}
    for visit in walk(tree, ""):
        info = visit.stat
        kind = _KINDS.get(stat.S_IFMT(info.st_mode))
        if kind is None:
            continue
        name = os.fsencode(visit.path)
        uid, gid = (info.st_uid, info.st_gid) if tree.owners else (0, 0)
        mtime_ns = info.st_mtime_ns if epoch_s is None else epoch_s * 10**9
        member = Member(name, kind, stat.S_IMODE(info.st_mode), uid, gid, mtime_ns)
        if info.st_nlink > 1 and kind != kinds.DIRECTORY:
            known = first.setdefault((info.st_dev, info.st_ino), name)
            if known is not name:
                yield visit, member._replace(kind=kinds.HARD_LINK, link=known)
                continue
        yield visit, _described(visit, member)


def _described(visit: Visit, member: Member) -> Member:
    """The member with what its kind has besides."""
    info = visit.stat
    if member.kind == kinds.SYMLINK:
        return member._replace(link=os.fsencode(visit.folder.readlink(visit.name)))
    if member.kind in (kinds.CHAR_DEVICE, kinds.BLOCK_DEVICE):
        return member._replace(device=(os.major(info.st_rdev), os.minor(info.st_rdev)))
    xattrs = visit.folder.xattrs(visit.name)
    return member._replace(
        size_bytes=info.st_size if member.kind == kinds.FILE else 0,
        xattrs=tuple((os.fsencode(key), xattrs[key]) for key in sorted(xattrs)),
    )
