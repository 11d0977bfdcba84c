"""A folder on disk as tar members: sorted, hard links found, overlay's markers translated where asked for.

Works by folder descriptors, so that paths longer than the kernel's limit work and no link is followed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from ...errors import StoreError
from ..overlay import OPAQUE
from ..owners import OwnerTable, meant, recall, remembering
from . import member as kinds
from .member import Member
from .xattrs import by_folder, link_xattrs, read_xattrs

if TYPE_CHECKING:
    from .tarstream import TarStream

__all__ = ["OPAQUE_NAME", "WHITEOUT_PREFIX", "TreeWriter", "is_opaque", "unfit"]

WHITEOUT_PREFIX: Final = b".wh."
OPAQUE_NAME: Final = b".wh..wh..opq"

_OPEN_FOLDERS = 64  # kept open on the way down; deeper trees reopen on the way up
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # never waits, should a fifo take the file's place
_SPECIAL_KINDS = {stat.S_IFCHR: kinds.CHAR_DEVICE, stat.S_IFBLK: kinds.BLOCK_DEVICE, stat.S_IFIFO: kinds.FIFO}


class _Folder:
    """A folder on the way down. `fd` is -1 while it is closed to save descriptors."""

    __slots__ = ("fd", "identity", "names", "prefix")

    def __init__(self, fd: int, identity: tuple[int, int], prefix: bytes, names: list[str]) -> None:
        self.fd = fd
        self.identity = identity
        self.prefix = prefix
        self.names = names  # what is left to do, last first


class TreeWriter:
    """Writes a folder's members to a tar stream.

    overlay: 0/0 character devices and opaque folders are written as OCI's whiteout files; otherwise such
    devices are refused. Files that would be taken for whiteouts are refused in any case.
    """

    def __init__(self, tar: TarStream, *, overlay: bool, root: tuple[int, int] | None = None) -> None:
        """root: the uid and gid that count as root's; None: none do but its own."""
        self._tar = tar
        self._root = root
        self._overlay = overlay
        self._links: dict[tuple[int, int], bytes] = {}
        self._owners: OwnerTable | None = None  # None: owners are what they are

    def write(self, folder: str) -> None:
        """Everything below `folder`, and the archive's end. Raises StoreError when something cannot be read."""
        stack: list[_Folder] = []
        self._owners = OwnerTable(folder if self._overlay else None) if remembering() else None
        try:
            stack.append(_open(os.open(folder, _FOLDER_FLAGS & ~os.O_NOFOLLOW), b""))
            while stack:
                top = stack[-1]
                if top.names:
                    self._step(stack, top.names.pop())
                else:
                    _leave(stack)
        except OSError as error:
            name = os.fsdecode(stack[-1].prefix) if stack else ""
            raise StoreError(f"cannot read {folder}/{name}: {error.strerror} ({error.filename or name})") from error
        finally:
            for left in stack:
                if left.fd >= 0:
                    os.close(left.fd)
        self._tar.end()

    def _step(self, stack: list[_Folder], name: str) -> None:
        top = stack[-1]
        info = os.lstat(name, dir_fd=top.fd)
        kind = stat.S_IFMT(info.st_mode)
        base = os.fsencode(name)
        path = top.prefix + base
        if self._owners is not None:
            info = self._meant(top.fd, base, info)
            kind = stat.S_IFMT(info.st_mode) if info.st_rdev else kind
        elif self._root is not None:
            ids = [0 if own == mine else own for own, mine in zip((info.st_uid, info.st_gid), self._root, strict=True)]
            info = meant(info, (ids[0], ids[1], 0, 0))
        if base.startswith(WHITEOUT_PREFIX):
            raise unfit(path, "such names mark deleted files there")
        if kind == stat.S_IFCHR and info.st_rdev == 0:
            if not self._overlay:
                raise unfit(path, "a character device 0/0 marks a deleted file where layers are mounted")
            self._tar.add(_marker(top.prefix + WHITEOUT_PREFIX + base))
            return
        if kind == stat.S_IFREG:
            self._add_file(top.fd, name, path, info)
        elif kind == stat.S_IFDIR:
            self._enter(stack, name, path, info)
        elif kind != stat.S_IFSOCK:  # a socket means nothing without the process behind it
            self._add_special(top.fd, name, path, info)

    def _meant(self, parent: int, base: bytes, info: os.stat_result) -> os.stat_result:
        """What it is, with what is remembered of its owner."""
        assert self._owners is not None
        if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
            remembered = recall(by_folder(parent, base))
            if remembered is not None:
                return meant(info, remembered)
        return meant(info, self._owners.look_up(info))

    def _add_file(self, parent: int, name: str, path: bytes, info: os.stat_result) -> None:
        if info.st_nlink > 1 and self._add_link(path, info):
            return
        fd = os.open(name, _FILE_FLAGS, dir_fd=parent)
        try:
            member = Member(
                path,
                kinds.FILE,
                info.st_mode & 0o7777,
                info.st_uid,
                info.st_gid,
                info.st_mtime_ns,
                info.st_size,
                xattrs=read_xattrs(fd),
            )
            self._tar.add_file(member, partial(os.read, fd))
        finally:
            os.close(fd)

    def _add_special(self, parent: int, name: str, path: bytes, info: os.stat_result) -> None:
        if info.st_nlink > 1 and self._add_link(path, info):
            return
        member = Member(
            path,
            kinds.SYMLINK,
            info.st_mode & 0o7777,
            info.st_uid,
            info.st_gid,
            info.st_mtime_ns,
            xattrs=link_xattrs(parent, os.fsencode(name)),
        )
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFLNK:
            member = member._replace(link=os.fsencode(os.readlink(name, dir_fd=parent)))
        elif kind == stat.S_IFIFO:
            member = member._replace(kind=kinds.FIFO)
        else:
            device = (os.major(info.st_rdev), os.minor(info.st_rdev))
            member = member._replace(kind=_SPECIAL_KINDS[kind], device=device)
        self._tar.add(member)

    def _add_link(self, path: bytes, info: os.stat_result) -> bool:
        """Whether an earlier member is the same file; then `path` is added as a link to it."""
        first = self._links.setdefault((info.st_dev, info.st_ino), path)
        if first is path:
            return False
        self._tar.add(
            Member(
                path,
                kinds.HARD_LINK,
                info.st_mode & 0o7777,
                info.st_uid,
                info.st_gid,
                info.st_mtime_ns,
                link=first,
            )
        )
        return True

    def _enter(self, stack: list[_Folder], name: str, path: bytes, info: os.stat_result) -> None:
        fd = os.open(name, _FOLDER_FLAGS, dir_fd=stack[-1].fd)
        if len(stack) >= _OPEN_FOLDERS:
            _close(stack[-1])
        folder = _open(fd, path + b"/")
        stack.append(folder)
        self._tar.add(
            Member(
                path,
                kinds.DIRECTORY,
                info.st_mode & 0o7777,
                info.st_uid,
                info.st_gid,
                info.st_mtime_ns,
                xattrs=read_xattrs(fd),
            )
        )
        if self._overlay and is_opaque(fd):
            self._tar.add(_marker(folder.prefix + OPAQUE_NAME))


def is_opaque(folder: int | str) -> bool:
    """Whether an overlay-form folder hides what the layers below have in its place."""
    for name in OPAQUE.values():
        with suppress(OSError):  # not there, or not for us to read
            if os.getxattr(folder, name) == b"y":
                return True
    return False


def unfit(path: bytes, why: str) -> StoreError:
    return StoreError(f"{os.fsdecode(path)} cannot be part of an image layer: {why}")


def _marker(name: bytes) -> Member:
    # Nobody reads a marker's time; 0 keeps equal layers equal.
    return Member(name, kinds.FILE, 0, 0, 0, 0)


def _open(fd: int, prefix: bytes) -> _Folder:
    try:
        info = os.fstat(fd)
        names = sorted(os.listdir(fd), reverse=True)
    except BaseException:
        os.close(fd)
        raise
    return _Folder(fd, (info.st_dev, info.st_ino), prefix, names)


def _close(folder: _Folder) -> None:
    os.close(folder.fd)
    folder.fd = -1


def _leave(stack: list[_Folder]) -> None:
    """Go up one folder, opening it again if it was closed."""
    left = stack.pop()
    try:
        if stack and stack[-1].fd < 0:
            up = stack[-1]
            up.fd = os.open("..", _FOLDER_FLAGS, dir_fd=left.fd)
            info = os.fstat(up.fd)
            if (info.st_dev, info.st_ino) != up.identity:
                raise StoreError(f"{os.fsdecode(left.prefix)} was moved while it was read")
    finally:
        os.close(left.fd)
