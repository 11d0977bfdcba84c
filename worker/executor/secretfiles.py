"""Secrets as files: on a filesystem in memory that belongs to one step and goes with it."""

from __future__ import annotations

import errno
import os

from .. import syscalls
from ..owners import remember
from .mounts import QUIET, attach, bind, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host
    from .wire import Mount

__all__ = ["SecretFiles"]

_FOLDER = b"secrets"


class SecretFiles:
    """The secrets of one step. Where it has none, nothing is made."""

    def __init__(self) -> None:
        self._folder = -1
        self._count = 0

    def add(self, wanted: Mount, scratch: int, host: Host) -> int:
        """A file with the secret, as a read-only mount that has no place yet; it lies below `scratch`."""
        uid, gid, mode = wanted["uid"], wanted["gid"], wanted["mode"]
        if self._folder < 0:
            os.mkdir(_FOLDER, 0o700, dir_fd=scratch)
            self._folder = attach(_memory(), scratch, _FOLDER)
        name = b"%d" % self._count
        self._count += 1
        file = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=self._folder)
        data = memoryview(wanted["data"])
        while data:
            data = data[os.write(file, data) :]
        if host.maps(uid, gid):
            os.fchown(file, uid, gid)
        else:
            remember(file, (uid, gid, 0, 0), mode)
        os.fchmod(file, mode)
        os.close(file)
        attributes = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
        if not mode & 0o111:
            attributes |= syscalls.MOUNT_ATTR_NOEXEC
        return bind(name, dir_fd=self._folder, attributes=attributes)


def _memory() -> int:
    """A tmpfs; where the kernel can promise it (Linux 6.4, and not to a user namespace) one that is never swapped."""
    options = ((b"mode", b"0700"),)
    try:
        return filesystem(b"tmpfs", (*options, (b"noswap", b"")), QUIET & ~syscalls.MOUNT_ATTR_NOEXEC)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.EPERM):
            raise
        return filesystem(b"tmpfs", options, QUIET & ~syscalls.MOUNT_ATTR_NOEXEC)
