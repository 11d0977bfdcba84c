"""What the helper knows about the machine, read once."""

from __future__ import annotations

import errno
import os
import time

from .. import syscalls
from .mounts import QUIET, filesystem
from .wire import decode_id_calls

__all__ = ["Host", "make_stubs"]

_CAP_SYS_ADMIN = 21
_EVERY_ID = [[0, 0, 4294967295]]  # uid_map outside any user namespace, user_namespaces(7)


class Host:
    """The machine as every step finds it.

    stage: an empty folder; each step mounts its root there, in its own mount namespace.
    stubs: a folder holding nothing but the mount points every step needs. It is the lowest layer of every root,
        so that they exist and yet never appear in what a step wrote.
    runtime: the OCI runtime that runs steps, and its flags; none: the sandbox itself does.
    chroot: steps have no namespaces.
    filter_program: for seccomp; b"": steps may call the kernel as they like.
    id_calls: what `seccomp.notify_program` makes, where there is one id and steps are to see others all the same.
    """

    __slots__ = (
        *("cgroup2", "chroot", "in_userns", "last_capability", "mapped_gids", "mapped_uids", "may_set_groups"),
        *("notify", "notify_calls", "permitted", "proc", "runtime", "seccomp", "stage", "stubs"),
    )

    def __init__(
        self,
        stage: bytes,
        stubs: bytes,
        filter_program: bytes = b"",
        runtime: list[bytes] | None = None,
        id_calls: bytes = b"",
        *,
        chroot: bool = False,
    ) -> None:
        self.chroot = chroot
        self.notify: syscalls.SeccompFilter | None = None
        self.notify_calls: dict[int, dict[int, str]] = {}
        self.proc = -1  # with `notify`: a /proc of the helper's pid namespace, which nobody else sees
        if id_calls:
            self._answer_for(id_calls)
        self.runtime = runtime or []
        self.seccomp = syscalls.seccomp_filter(filter_program) if filter_program else None
        self.stage = stage
        self.stubs = stubs
        uid_map = _id_map(b"/proc/self/uid_map")
        self.in_userns = uid_map != _EVERY_ID
        self.mapped_uids = uid_map
        self.mapped_gids = _id_map(b"/proc/self/gid_map")
        self.may_set_groups = not self.in_userns or _read(b"/proc/self/setgroups").strip() == b"allow"
        self.permitted = int(_field(_read(b"/proc/self/status"), b"CapPrm:"), 16)
        if chroot and not self.permitted >> _CAP_SYS_ADMIN & 1:
            self.seccomp = None  # only an administrator may filter what can still gain privileges
        self.last_capability = int(_read(b"/proc/sys/kernel/cap_last_cap"))
        # The unified hierarchy only: with the old ones BuildKit makes no cgroup namespace either (moby/buildkit#4108).
        self.cgroup2 = os.path.exists(b"/sys/fs/cgroup/cgroup.controllers")

    def _answer_for(self, id_calls: bytes) -> None:
        try:
            self.proc = filesystem(b"proc", (), QUIET)
        except OSError:
            return  # then no step gets a /proc either, and says so
        unpacked = decode_id_calls(id_calls)
        self.notify = syscalls.seccomp_filter(unpacked["program"])
        self.notify_calls = unpacked["calls"]

    def maps(self, uid: int, gid: int) -> bool:
        """Whether these ids exist here."""
        return _within(uid, self.mapped_uids) and _within(gid, self.mapped_gids)

    def lets_be(self, uid: int, gid: int) -> bool:
        """Whether a step may have these ids, be it that it is only made to believe so."""
        return self.notify is not None or self.maps(uid, gid)


def make_stubs(folder: bytes) -> None:
    """Make the lowest layer of every root, unless it is there already; whole or not at all.

    Modes and times are fixed: where an image lacks one of these folders and a step changes it, they get into
    its layer.
    """
    if os.path.isdir(folder):
        return
    new = b"%s.%d" % (folder, time.time_ns())  # not the pid, which is 1 for every helper
    folders, files = (b"", b"proc", b"sys", b"dev", b"etc"), (b"etc/hosts", b"etc/resolv.conf")
    for name in folders:
        os.mkdir(os.path.join(new, name), 0o755)
    for name in files:
        os.close(os.open(os.path.join(new, name), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    for name in (*files, *reversed(folders)):
        os.utime(os.path.join(new, name), (0, 0))
    try:
        os.rename(new, folder)
    except OSError as exc:
        if exc.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        _remove(new, folders, files)  # another llbuild was faster


def _remove(new: bytes, folders: tuple[bytes, ...], files: tuple[bytes, ...]) -> None:
    for name in files:
        os.unlink(os.path.join(new, name))
    for name in reversed(folders):
        os.rmdir(os.path.join(new, name))


def _within(number: int, ranges: list[list[int]]) -> bool:
    return any(inside <= number < inside + count for inside, _, count in ranges)


def _id_map(path: bytes) -> list[list[int]]:
    try:
        return [[int(word) for word in line.split()] for line in _read(path).splitlines()]
    except FileNotFoundError:  # a kernel without user namespaces
        return _EVERY_ID


def _read(path: bytes) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def _field(text: bytes, name: bytes) -> bytes:
    return next(line.split()[1] for line in text.splitlines() if line.startswith(name))
