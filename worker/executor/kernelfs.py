"""/proc and /sys of a step, and which parts of them it must not see or change.

Facts: containerd pkg/oci/mounts.go and spec.go (mounts, masked and read-only paths).
"""

from __future__ import annotations

import errno
import os
import stat

from .. import syscalls
from .failure import explained
from .mounts import QUIET, attach, bind, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host

__all__ = ["MASKED", "READ_ONLY", "mask", "new_proc", "new_sys"]

_RDONLY = syscalls.MOUNT_ATTR_RDONLY
MASKED = (
    *(b"proc/acpi", b"proc/asound", b"proc/kcore", b"proc/keys", b"proc/latency_stats", b"proc/timer_list"),
    *(b"proc/timer_stats", b"proc/sched_debug", b"proc/scsi", b"sys/firmware", b"sys/devices/virtual/powercap"),
)
READ_ONLY = (b"proc/bus", b"proc/fs", b"proc/irq", b"proc/sys", b"proc/sysrq-trigger")


def new_proc(folder: int) -> int:
    """A /proc of this process's pid namespace, attached in `folder`."""
    try:
        return attach(filesystem(b"proc", (), QUIET), folder, b"proc")
    except OSError as exc:
        # mount_namespaces(7): a user namespace may mount /proc only where one is visible in full.
        raise explained("cannot mount a fresh /proc", exc) from exc


def new_sys(folder: int, host: Host, *, writable: bool) -> int:
    """A /sys, attached in `folder`; where the kernel refuses a new one, a view of the machine's."""
    attributes = QUIET if writable else QUIET | _RDONLY
    try:
        tree = attach(filesystem(b"sysfs", (), attributes), folder, b"sys")
    except PermissionError:
        # A user namespace may mount sysfs only along with a network namespace it owns.
        return attach(bind(b"/sys", attributes=attributes), folder, b"sys")
    if host.cgroup2:
        os.close(attach(filesystem(b"cgroup2", (), attributes), tree, b"fs/cgroup"))
    return tree


def mask(folder: int) -> None:
    """Hide and protect what tells or controls too much in the "proc" and "sys" of `folder`.

    Files by /dev/null of its "dev", folders by its "empty", as Docker does.
    """
    for path in MASKED:
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.EACCES):
                continue
            raise
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            cover = bind(b"empty", dir_fd=folder, attributes=_RDONLY)
        else:
            cover = bind(b"dev/null", dir_fd=folder)
        os.close(attach(cover, fd))
        os.close(fd)
    for path in READ_ONLY:
        try:
            tree = bind(path, dir_fd=folder, attributes=_RDONLY)
        except FileNotFoundError:
            continue
        os.close(attach(tree, folder, path))
