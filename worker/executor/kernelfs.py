"""/proc, /sys and /dev of a step, and which parts of them it must not see or change.

Facts: containerd pkg/oci/mounts.go and spec.go (mounts, masked and read-only paths), runtime-spec
config-linux.md "Default Devices", BuildKit util/entitlements/security (devices of insecure steps).
"""

from __future__ import annotations

import errno
import os
import stat

from .. import syscalls
from .failure import explained
from .mounts import QUIET, bind, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host

__all__ = ["DeviceFolder", "mask", "new_cgroup", "new_proc", "new_sys"]

_MASKED = (
    *(b"/proc/acpi", b"/proc/asound", b"/proc/kcore", b"/proc/keys", b"/proc/latency_stats", b"/proc/timer_list"),
    *(b"/proc/timer_stats", b"/proc/sched_debug", b"/proc/scsi", b"/sys/firmware", b"/sys/devices/virtual/powercap"),
)
_READ_ONLY = (b"/proc/bus", b"/proc/fs", b"/proc/irq", b"/proc/sys", b"/proc/sysrq-trigger")

_DEVICES = (
    *((b"null", 1, 3), (b"zero", 1, 5), (b"full", 1, 7), (b"random", 1, 8), (b"urandom", 1, 9)),
    (b"tty", 5, 0),
)
_INSECURE_DEVICES = (
    *((b"kmsg", 1, 11), (b"cuse", 10, 203), (b"fuse", 10, 229), (b"kvm", 10, 232), (b"net/tun", 10, 200)),
    (b"loop-control", 10, 237),
)
_LINKS = (
    *((b"fd", b"/proc/self/fd"), (b"stdin", b"/proc/self/fd/0"), (b"stdout", b"/proc/self/fd/1")),
    *((b"stderr", b"/proc/self/fd/2"), (b"core", b"/proc/kcore"), (b"ptmx", b"pts/ptmx")),
)
_TTY_GROUP = 5  # of every distribution; devpts hands terminals to it


def new_proc() -> int:
    """A /proc of this process's pid namespace, detached."""
    try:
        return filesystem(b"proc", (), QUIET)
    except OSError as exc:
        # mount_namespaces(7): a user namespace may mount /proc only where one is visible in full.
        raise explained("cannot mount a fresh /proc", exc) from exc


def new_sys(*, writable: bool) -> int:
    """A /sys, detached; where the kernel refuses a new one, a view of the machine's."""
    attributes = QUIET if writable else QUIET | syscalls.MOUNT_ATTR_RDONLY
    try:
        return filesystem(b"sysfs", (), attributes)
    except PermissionError:
        # A user namespace may mount sysfs only along with a network namespace it owns.
        return bind(b"/sys", attributes=attributes)


def new_cgroup(*, writable: bool) -> int:
    """The cgroup tree as seen from this process's cgroup namespace, detached."""
    return filesystem(b"cgroup2", (), QUIET if writable else QUIET | syscalls.MOUNT_ATTR_RDONLY)


class DeviceFolder:
    """A /dev in the making.

    Root in a step may make device nodes (CAP_MKNOD, as with Docker). Where Docker has a device cgroup decide which of
    them work, here every mount a step can write is "nodev"; so each device is a mount of its own, of a node that
    lies on a tmpfs out of its reach.
    """

    def __init__(self, host: Host, *, insecure: bool) -> None:
        attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_STRICTATIME
        attributes |= 0 if insecure else syscalls.MOUNT_ATTR_NODEV
        self._tree = filesystem(b"tmpfs", ((b"mode", b"0755"), (b"size", b"65536k")), attributes)
        if host.in_userns:  # where nobody may make device nodes, and the machine's cannot be changed
            self._nodes = [(name, bind(b"/dev/" + name)) for name, _, _ in _DEVICES]
        else:
            self._nodes = _make_nodes(_DEVICES + (_INSECURE_DEVICES if insecure else ()), host)
        for name, target in _LINKS:
            os.symlink(target, name, dir_fd=self._tree)
        self._below = [(b"pts", _new_pts(host)), (b"mqueue", filesystem(b"mqueue", (), QUIET))]
        for name in (b"pts", b"mqueue", b"shm", b"net"):
            if name != b"net" or insecure:
                os.mkdir(name, 0o755, dir_fd=self._tree)
        for name, _ in self._nodes:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=self._tree))

    def add_shm(self, size: int) -> None:
        self._below.append((b"shm", filesystem(b"tmpfs", ((b"mode", b"1777"), (b"size", b"%d" % size)), QUIET)))

    def attach(self, mount_point: int) -> None:
        syscalls.move_mount(self._tree, dir_fd=mount_point)
        for name, tree in (*self._below, *self._nodes):
            syscalls.move_mount(tree, name, dir_fd=self._tree)
            os.close(tree)
        os.close(self._tree)


def _make_nodes(devices: tuple[tuple[bytes, int, int], ...], host: Host) -> list[tuple[bytes, int]]:
    """The devices by name, each a detached mount of a node; the nodes' filesystem goes with the machine's tree."""
    attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
    nodes = filesystem(b"tmpfs", ((b"mode", b"0700"), (b"size", b"64k")), attributes)
    syscalls.move_mount(nodes, host.stage)  # before Linux 6.15 only an attached mount can be cloned
    made = []
    try:
        for name, major, minor in devices:
            node = b"%d.%d" % (major, minor)
            os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=nodes)
            made.append((name, syscalls.open_tree(node, dir_fd=nodes)))
    except OSError as exc:
        raise explained("cannot make device nodes", exc) from exc
    os.close(nodes)
    return made


def _new_pts(host: Host) -> int:
    options = [(b"newinstance", b""), (b"ptmxmode", b"0666"), (b"mode", b"0620")]
    if host.maps(0, _TTY_GROUP):
        options.append((b"gid", b"%d" % _TTY_GROUP))
    return filesystem(b"devpts", tuple(options), syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC)


def mask(empty: int) -> None:
    """Hide and protect what tells or controls too much; `empty` is an empty folder, detached."""
    syscalls.mount_setattr(empty, attributes=syscalls.MOUNT_ATTR_RDONLY)
    cover = b""  # the first masked folder: from there on `empty` is attached, and can be cloned before Linux 6.15 too
    for path in _MASKED:
        try:
            fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.EACCES):
                continue
            raise
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            _move(bind(b"/dev/null"), fd)
        elif cover:
            _move(bind(cover), fd)
        else:
            _move(empty, fd)
            cover = path
        os.close(fd)
    for path in _READ_ONLY:
        try:
            tree = bind(path, attributes=syscalls.MOUNT_ATTR_RDONLY)
        except FileNotFoundError:
            continue
        syscalls.move_mount(tree, path)
        os.close(tree)


def _move(tree: int, mount_point: int) -> None:
    syscalls.move_mount(tree, dir_fd=mount_point)
    os.close(tree)
