"""/dev of a step.

Facts: containerd pkg/oci/mounts.go, runtime-spec config-linux.md "Default Devices", BuildKit
util/entitlements/security (devices of insecure steps).
"""

from __future__ import annotations

import os
import stat

from .. import syscalls
from .failure import explained
from .mounts import QUIET, attach, bind, filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .host import Host

__all__ = ["DEFAULT_SHM_BYTES", "new_dev", "new_shm"]

DEFAULT_SHM_BYTES = 64 << 20

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


def new_dev(folder: int, host: Host, *, insecure: bool) -> int:
    """A /dev with everything in it, attached in `folder`.

    Root in a step may make device nodes (CAP_MKNOD, as with Docker). Where Docker has a device cgroup decide which of
    them work, here every mount a step can write is "nodev"; so each device is a mount of its own, of a node that
    lies on a tmpfs out of its reach.
    """
    attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_STRICTATIME
    attributes |= 0 if insecure else syscalls.MOUNT_ATTR_NODEV
    dev = attach(filesystem(b"tmpfs", ((b"mode", b"0755"), (b"size", b"65536k")), attributes), folder, b"dev")
    for name, target in _LINKS:
        os.symlink(target, name, dir_fd=dev)
    for name in (b"pts", b"mqueue", b"shm", *((b"net",) if insecure else ())):
        os.mkdir(name, 0o755, dir_fd=dev)
    os.close(attach(_new_pts(host), dev, b"pts"))
    os.close(attach(filesystem(b"mqueue", (), QUIET), dev, b"mqueue"))
    new_shm(dev, DEFAULT_SHM_BYTES)
    if host.in_userns:  # where nobody may make device nodes, and the machine's cannot be changed
        nodes = [(name, bind(b"/dev/" + name)) for name, _, _ in _DEVICES]
    else:
        nodes = _make_nodes(folder, _DEVICES + (_INSECURE_DEVICES if insecure else ()))
    for name, node in nodes:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=dev))
        os.close(attach(node, dev, name))
    return dev


def new_shm(dev: int, size_bytes: int) -> None:
    """Shared memory of that size, over whatever is there."""
    options = ((b"source", b"shm"), (b"mode", b"1777"), (b"size", b"%d" % size_bytes))
    os.close(attach(filesystem(b"tmpfs", options, QUIET), dev, b"shm"))


def _make_nodes(folder: int, devices: tuple[tuple[bytes, int, int], ...]) -> list[tuple[bytes, int]]:
    """The devices by name, each a detached mount of a node; the nodes' filesystem goes with `folder`."""
    attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC
    nodes = attach(filesystem(b"tmpfs", ((b"mode", b"0700"), (b"size", b"64k")), attributes), folder, b"nodes")
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
