"""Members of an archive made into files below a root.

What is not permitted here and can be done without is left out and counted: owners that the user namespace
does not map, device nodes.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ...errors import CorruptError
from . import member as kinds
from .names import clean_name
from .openfolders import is_whiteout
from .xattrs import belongs, set_link_xattr

if TYPE_CHECKING:
    from collections.abc import Callable

    from .member import Member
    from .openfolders import Folder, OpenFolders

__all__ = ["Unpacker"]

_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NOT_MAPPED = {errno.EPERM, errno.EINVAL}
_XATTR_REFUSED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL}
_SPECIAL_TYPES = {kinds.CHAR_DEVICE: stat.S_IFCHR, kinds.BLOCK_DEVICE: stat.S_IFBLK, kinds.FIFO: stat.S_IFIFO}
_HOLE_BYTES = 1 << 16
_ZEROS = bytes(1 << 20)


class Unpacker:
    """Makes one member after the other. Later ones replace earlier ones of the same name; folders are merged."""

    def __init__(self, folders: OpenFolders) -> None:
        self._folders = folders
        self.owners_ignored = 0
        self.devices_skipped = 0
        self.xattrs_ignored = 0

    def make(self, path: bytes, member: Member, piece: Callable[[], memoryview]) -> None:
        """Make `member` at `path` (clean, not the root); `piece()` gives its content until empty."""
        if member.kind == kinds.DIRECTORY:
            self._make_folder(path, member)
            return
        head, _, base = path.rpartition(b"/")
        parent = self._folders.get(head)
        try:
            self._make_in(parent, base, member, piece)
        except FileExistsError:
            self._remove(parent, base)
            self._make_in(parent, base, member, piece)

    def _make_in(self, parent: Folder, base: bytes, member: Member, piece: Callable[[], memoryview]) -> None:
        if member.kind == kinds.FILE:
            fd = os.open(base, _FILE_FLAGS, 0o600, dir_fd=parent.fd)
            try:
                if member.size_bytes:
                    _write(fd, piece)
                self._finish(fd, member)
                os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))
            finally:
                os.close(fd)
        elif member.kind == kinds.HARD_LINK:
            self._link(parent, base, member)
        elif member.kind == kinds.SYMLINK:
            os.symlink(member.link, base, dir_fd=parent.fd)
            self._finish_closed(parent, base, member)
        else:
            self._make_node(parent, base, member)

    def _make_folder(self, path: bytes, member: Member) -> None:
        head, _, base = path.rpartition(b"/")
        parent = self._folders.get(head)
        path = parent.path + b"/" + base if parent.path else base
        try:
            os.mkdir(base, 0o700, dir_fd=parent.fd)
        except FileExistsError:
            info = os.lstat(base, dir_fd=parent.fd)
            if not stat.S_ISDIR(info.st_mode) and not is_whiteout(info):  # OpenFolders knows what to do with one
                self._remove(parent, base)
        folder = self._folders.get(path)
        self._finish(folder.fd, member)
        folder.mtime_ns = folder.atime_ns = member.mtime_ns

    def _make_node(self, parent: Folder, base: bytes, member: Member) -> None:
        device = os.makedev(*member.device)
        try:
            os.mknod(base, _SPECIAL_TYPES[member.kind] | 0o600, device, dir_fd=parent.fd)
        except PermissionError:
            self.devices_skipped += 1
            return
        self._finish_closed(parent, base, member)

    def _link(self, parent: Folder, base: bytes, member: Member) -> None:
        target = clean_name(member.link)
        head, _, name = target.rpartition(b"/")
        source = self._folders.get(head)
        if source is parent and name == base:
            return
        try:
            os.link(name, base, src_dir_fd=source.fd, dst_dir_fd=parent.fd, follow_symlinks=False)
        except FileNotFoundError:
            raise _no_link(member, "which is not in the archive before it") from None
        except PermissionError:
            raise _no_link(member, "which is a folder") from None

    def _finish(self, fd: int, member: Member) -> None:
        """Owner, mode and attributes of an open file, in the order in which none undoes another."""
        try:
            os.fchown(fd, member.uid, member.gid)
        except OSError as error:
            if error.errno not in _NOT_MAPPED:
                raise
            self.owners_ignored += 1
        os.fchmod(fd, member.mode)
        for key, value in member.xattrs:
            name = os.fsdecode(key)
            if belongs(name):
                try:
                    os.setxattr(fd, name, value)
                except OSError as error:
                    self._ignore_xattr(error)

    def _finish_closed(self, parent: Folder, base: bytes, member: Member) -> None:
        """The same for what must not be opened: links, devices, fifos."""
        try:
            os.chown(base, member.uid, member.gid, dir_fd=parent.fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_MAPPED:
                raise
            self.owners_ignored += 1
        if member.kind != kinds.SYMLINK:
            os.chmod(base, member.mode, dir_fd=parent.fd)
        for key, value in member.xattrs:
            name = os.fsdecode(key)
            if belongs(name):
                try:
                    set_link_xattr(parent.fd, os.fsdecode(base), name, value)
                except OSError as error:
                    self._ignore_xattr(error)
        os.utime(base, ns=(member.mtime_ns, member.mtime_ns), dir_fd=parent.fd, follow_symlinks=False)

    def _ignore_xattr(self, error: OSError) -> None:
        if error.errno not in _XATTR_REFUSED:
            raise error
        self.xattrs_ignored += 1

    def _remove(self, parent: Folder, base: bytes) -> None:
        """Make room for something else of that name."""
        try:
            os.unlink(base, dir_fd=parent.fd)
        except IsADirectoryError:
            from shutil import rmtree

            path = parent.path + b"/" + base if parent.path else base
            self._folders.forget(path)
            try:
                rmtree(os.fsdecode(base), dir_fd=parent.fd)
            except RecursionError:
                name = os.fsdecode(path)
                raise CorruptError(
                    f"cannot replace the folder {name}: it is too deep", expected="fewer levels", actual=name
                ) from None


def _write(fd: int, piece: Callable[[], memoryview]) -> None:
    end_is_hole = False
    while data := piece():
        # Long runs of zeros are left out: sparse files stay sparse.
        end_is_hole = len(data) >= _HOLE_BYTES and data == _ZEROS[: len(data)]
        if end_is_hole:
            os.lseek(fd, len(data), os.SEEK_CUR)
            continue
        while data:
            data = data[os.write(fd, data) :]
    if end_is_hole:
        os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))


def _no_link(member: Member, why: str) -> CorruptError:
    name, link = os.fsdecode(member.name), os.fsdecode(member.link)
    return CorruptError(f"{name} is a hard link to {link}, {why}", expected="a file of the archive", actual=link)
