"""Members of an archive made into files below a root.

What is not permitted here and can be done without is left out and counted: owners that the user namespace
does not map, device nodes, attributes.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Protocol

from ...errors import CorruptError
from ...values import frozen
from ..owners import ATTRIBUTE, encode, make_device, remember, remembering
from ..snapshot import belongs
from . import member as kinds
from .names import clean_name
from .xattrs import by_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..owners import OwnerTable
    from .folders import Folder
    from .member import Member

__all__ = ["Folders", "Unpacked", "Unpacker"]

_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NOT_MAPPED = {errno.EPERM, errno.EINVAL, errno.EOVERFLOW}
_XATTR_REFUSED = {errno.EPERM, errno.ENOTSUP, errno.EINVAL}
_SPECIAL_TYPES = {kinds.CHAR_DEVICE: stat.S_IFCHR, kinds.BLOCK_DEVICE: stat.S_IFBLK, kinds.FIFO: stat.S_IFIFO}


class Folders(Protocol):
    """Where members are put: `OpenFolders` below any folder, `LayerFolders` on top of other layers."""

    def get(self, path: bytes) -> Folder:
        """The folder at a clean path, made where missing, links on the way followed inside the root."""
        ...

    def exact(self, parent: Folder, base: bytes) -> Folder:
        """The folder of that very name; anything else that has it is removed."""
        ...

    def clear(self, parent: Folder, base: bytes) -> None:
        """Remove what has that name in this layer."""
        ...


@frozen
class Unpacked:
    """How many members there were, and how often the rights at hand did not suffice."""

    entries: int
    owners_ignored: int = 0
    devices_skipped: int = 0
    xattrs_ignored: int = 0


class Unpacker:
    """Makes one member after the other. Later ones replace earlier ones of the same name; folders are merged.

    top: the clean path that the archive's root is. owner: instead of what the members say.
    owners: where those of links are remembered, if this is a layer, and what cannot be had is to be remembered.
    """

    def __init__(
        self,
        folders: Folders,
        *,
        top: bytes = b"",
        owner: tuple[int, int] | None = None,
        owners: OwnerTable | None = None,
    ) -> None:
        self._table = owners if remembering() else None
        self._folders = folders
        self._top = top + b"/" if top else b""
        self._owner = owner
        self._entries = 0
        self._owners_ignored = 0
        self._devices_skipped = 0
        self._xattrs_ignored = 0

    def make(self, path: bytes, member: Member, fill: Callable[[int], None]) -> None:
        """Make `member` at `path` (clean, not the root). `fill` writes a file's content to a descriptor."""
        self._entries += 1
        path = self._top + path
        if member.kind == kinds.HARD_LINK:
            self._link(path, member)
            return
        head, _, base = path.rpartition(b"/")
        parent = self._folders.get(head)
        if member.kind == kinds.DIRECTORY:
            folder = self._folders.exact(parent, base)
            self._finish(folder.fd, member)
            folder.times_ns = (member.mtime_ns, member.mtime_ns)
            return
        try:
            self._make_in(parent, base, member, fill)
        except FileExistsError:
            self._folders.clear(parent, base)
            self._make_in(parent, base, member, fill)

    def summary(self) -> Unpacked:
        return Unpacked(
            entries=self._entries,
            owners_ignored=self._owners_ignored,
            devices_skipped=self._devices_skipped,
            xattrs_ignored=self._xattrs_ignored,
        )

    def _make_in(self, parent: Folder, base: bytes, member: Member, fill: Callable[[int], None]) -> None:
        if member.kind == kinds.FILE:
            fd = os.open(base, _FILE_FLAGS, 0o600, dir_fd=parent.fd)
            try:
                if member.size_bytes:
                    fill(fd)
                self._finish(fd, member)
                os.utime(fd, ns=(member.mtime_ns, member.mtime_ns))
            finally:
                os.close(fd)
        elif member.kind == kinds.SYMLINK:
            os.symlink(member.link, base, dir_fd=parent.fd)
            self._finish_closed(parent, base, member)
        else:
            self._make_node(parent, base, member)

    def _make_node(self, parent: Folder, base: bytes, member: Member) -> None:
        try:
            os.mknod(base, _SPECIAL_TYPES[member.kind] | 0o600, os.makedev(*member.device), dir_fd=parent.fd)
        except PermissionError:
            kind, device = _SPECIAL_TYPES[member.kind], os.makedev(*member.device)
            if self._table is None or (kind, device) == (stat.S_IFCHR, 0):
                self._devices_skipped += 1
                return
            owner = self._owner or (member.uid, member.gid)
            make_device(base, (*owner, kind, device), member.mode, dir_fd=parent.fd)
            os.utime(base, ns=(member.mtime_ns, member.mtime_ns), dir_fd=parent.fd, follow_symlinks=False)
            return
        self._finish_closed(parent, base, member)

    def _link(self, path: bytes, member: Member) -> None:
        """Make a hard link, replacing what has its name, unless that is the link already."""
        source_head, _, source_base = (self._top + clean_name(member.link)).rpartition(b"/")
        head, _, base = path.rpartition(b"/")
        if not source_base:
            raise _no_link(member, "which is a folder")
        # Opening one of the two folders may close the other, when there are many on the way: hence a copy.
        source = os.dup(self._folders.get(source_head).fd)
        try:
            parent = self._folders.get(head)
            try:
                os.link(source_base, base, src_dir_fd=source, dst_dir_fd=parent.fd, follow_symlinks=False)
            except FileExistsError:
                wanted = os.lstat(source_base, dir_fd=source)
                if not os.path.samestat(wanted, os.lstat(base, dir_fd=parent.fd)):
                    self._folders.clear(parent, base)
                    os.link(source_base, base, src_dir_fd=source, dst_dir_fd=parent.fd, follow_symlinks=False)
        except FileNotFoundError:
            raise _no_link(member, "which is not in the archive before it") from None
        except PermissionError:
            if stat.S_ISDIR(os.lstat(source_base, dir_fd=source).st_mode):
                raise _no_link(member, "which is a folder") from None
            raise
        finally:
            os.close(source)

    def _finish(self, fd: int, member: Member) -> None:
        """Owner, mode and attributes of an open file, in the order in which none undoes another."""
        owner = self._owner or (member.uid, member.gid)
        if self._table is None:
            try:
                os.fchown(fd, *owner)
            except OSError as error:
                self._ignore_owner(error)
        elif owner != (0, 0):
            os.setxattr(fd, ATTRIBUTE, encode((*owner, 0, 0), member.mode))
        elif member.kind == kinds.DIRECTORY:  # which may have been there, and somebody else's
            remember(fd, (0, 0, 0, 0), member.mode)
        os.fchmod(fd, member.mode)
        if member.xattrs:
            self._set_xattrs(fd, member, follow=True)

    def _finish_closed(self, parent: Folder, base: bytes, member: Member) -> None:
        """The same, and the time, for what must not be opened: links, devices, fifos."""
        uid, gid = self._owner or (member.uid, member.gid)
        if self._table is None:
            try:
                os.chown(base, uid, gid, dir_fd=parent.fd, follow_symlinks=False)
            except OSError as error:
                self._ignore_owner(error)
        else:
            self._table.note(os.lstat(base, dir_fd=parent.fd), uid, gid)
        if member.kind != kinds.SYMLINK:
            os.chmod(base, member.mode, dir_fd=parent.fd)
        if member.xattrs:
            self._set_xattrs(by_folder(parent.fd, base), member, follow=False)
        os.utime(base, ns=(member.mtime_ns, member.mtime_ns), dir_fd=parent.fd, follow_symlinks=False)

    def _set_xattrs(self, file: int | bytes, member: Member, *, follow: bool) -> None:
        for key, value in member.xattrs:
            if not belongs(os.fsdecode(key)):
                continue
            try:
                os.setxattr(file, key, value, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in _XATTR_REFUSED:
                    raise
                self._xattrs_ignored += 1

    def _ignore_owner(self, error: OSError) -> None:
        if error.errno not in _NOT_MAPPED:
            raise error
        self._owners_ignored += 1


def _no_link(member: Member, why: str) -> CorruptError:
    name, link = os.fsdecode(member.name), os.fsdecode(member.link)
    return CorruptError(f"{name} is a hard link to {link}, {why}", expected="a file of the archive", actual=link)
