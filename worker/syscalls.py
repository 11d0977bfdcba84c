"""The system calls Python does not wrap, one thin function each; everything else uses `os`.

ctypes is all it takes, so that the small helper process can use them too. Paths are bytes (or text,
encoded as `os.fsencode` does); a failing call raises OSError naming the call and the path.
Numbers: 424 and up are the same on every architecture Linux supports except alpha (asm-generic/unistd.h).
"""

from __future__ import annotations

import ctypes
import errno
import os

__all__ = [
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_RECURSIVE",
    "CLONE_NEWCGROUP",
    "CLONE_NEWIPC",
    "CLONE_NEWNET",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUSER",
    "CLONE_NEWUTS",
    "MNT_DETACH",
    "MOUNT_ATTR_NODEV",
    "MOUNT_ATTR_NOEXEC",
    "MOUNT_ATTR_NOSUID",
    "MOUNT_ATTR_RDONLY",
    "MOUNT_ATTR_STRICTATIME",
    "MS_PRIVATE",
    "MS_SLAVE",
    "RESOLVE_BENEATH",
    "RESOLVE_IN_ROOT",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "RESOLVE_NO_XDEV",
    "SeccompFilter",
    "capset",
    "fsconfig_create",
    "fsconfig_flag",
    "fsconfig_string",
    "fsmount",
    "fsopen",
    "join_session_keyring",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_process",
    "open_tree",
    "openat2",
    "pivot_root",
    "prctl",
    "reset_signal",
    "seccomp_filter",
    "set_seccomp_filter",
    "sethostname",
    "setns",
    "umount2",
    "unshare",
]

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MNT_DETACH = 2
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR_STRICTATIME = 0x20

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 428, 429, 430, 431, 432
_OPENAT2, _MOUNT_SETATTR = 437, 442
# keyctl predates the common numbering; an architecture not listed goes without its own keyring.
_KEYCTL: dict[str, int] = {
    "x86_64": 250,
    "aarch64": 219,
    "riscv64": 219,
    "loongarch64": 219,
    "ppc64le": 271,
    "s390x": 280,
}
_SECCOMP = {
    "x86_64": 317,
    "aarch64": 277,
    "riscv64": 277,
    "loongarch64": 277,
    "ppc64le": 358,
    "s390x": 348,
}
_RT_SIGACTION = {"x86_64": 13, "aarch64": 134, "riscv64": 134, "loongarch64": 134, "ppc64le": 173, "s390x": 174}

_MOST_TRIES = 1000  # each is over in microseconds
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1, 4
_SECCOMP_FILTER_FLAG_NEW_LISTENER, _SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 8, 32
_LINUX_CAPABILITY_VERSION_3 = 0x2008_0522

Path = bytes | str

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.pivot_root.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_libc.sethostname.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


class _OpenHow(ctypes.Structure):
    """struct open_how, openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttr(ctypes.Structure):
    """struct mount_attr, mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class SeccompFilter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h; it keeps the program alive."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def _checked(result: int, call: str, path: Path | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}", None if path is None else os.fsdecode(path))
    return result


def _syscall(call: str, number: int, *arguments: object, path: Path | None = None) -> int:
    # Through "...", ctypes would pass an int as 32 bits: widen every one.
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *wide), call, path)


def fsopen(kind: bytes) -> int:
    """A context for configuring a new filesystem of that kind (fsopen(2))."""
    return _syscall("fsopen", _FSOPEN, kind, _FSOPEN_CLOEXEC, path=kind)


def fsconfig_string(context: int, key: bytes, value: bytes) -> None:
    _syscall("fsconfig", _FSCONFIG, context, _FSCONFIG_SET_STRING, key, value, 0, path=key + b"=" + value)


def fsconfig_flag(context: int, key: bytes) -> None:
    _syscall("fsconfig", _FSCONFIG, context, _FSCONFIG_SET_FLAG, key, None, 0, path=key)


def fsconfig_create(context: int) -> None:
    _syscall("fsconfig", _FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(context: int, attributes: int = 0) -> int:
    """The configured filesystem as a detached mount."""
    return _syscall("fsmount", _FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes)


def open_tree(path: Path, *, dir_fd: int = AT_FDCWD, clone: bool = True, recursive: bool = False) -> int:
    """A detached copy of the mount at `path` (of all mounts below it too when recursive). "" is `dir_fd` itself."""
    flags = _OPEN_TREE_CLOEXEC
    flags |= _OPEN_TREE_CLONE if clone else 0
    flags |= AT_RECURSIVE if recursive else 0
    flags |= 0 if path else AT_EMPTY_PATH
    return _syscall("open_tree", _OPEN_TREE, dir_fd, os.fsencode(path), flags, path=path)


def move_mount(tree: int, dest: Path = b"", *, dir_fd: int = AT_FDCWD) -> None:
    """Attach a detached mount at `dest`; "" is `dir_fd` itself."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | (0 if dest else _MOVE_MOUNT_T_EMPTY_PATH)
    _syscall("move_mount", _MOVE_MOUNT, tree, b"", dir_fd, os.fsencode(dest), flags, path=dest)


def mount_setattr(
    fd: int, path: Path = b"", *, attributes: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Switch attributes on, or set the propagation, of the mount at `path`; "" is `fd` itself."""
    values = _MountAttr(attr_set=attributes, propagation=propagation)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    arguments = (fd, os.fsencode(path), flags, ctypes.byref(values), ctypes.sizeof(values))
    _syscall("mount_setattr", _MOUNT_SETATTR, *arguments, path=path)


def mount(source: bytes, target: Path, kind: bytes, flags: int, options: bytes) -> None:
    """The classic mount(2), for what kernels before the new interface can do only here."""
    _checked(_libc.mount(source, os.fsencode(target), kind, flags, options), "mount", target)


def umount2(path: Path, flags: int) -> None:
    _checked(_libc.umount2(os.fsencode(path), flags), "umount2", path)


def pivot_root(new: Path, old: Path) -> None:
    _checked(_libc.pivot_root(os.fsencode(new), os.fsencode(old)), "pivot_root", new)


def openat2(path: Path, flags: int, *, dir_fd: int = AT_FDCWD, mode: int = 0, resolve: int = 0) -> int:
    """open(2) with a say in how `path` is walked (RESOLVE_*); always close-on-exec.

    A `..` below a root fails with EAGAIN when anything anywhere was renamed or mounted just then: it is tried again.
    """
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=resolve)
    arguments = (dir_fd, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    for _ in range(_MOST_TRIES):
        try:
            return _syscall("openat2", _OPENAT2, *arguments, path=path)
        except BlockingIOError:
            os.sched_yield()
    return _syscall("openat2", _OPENAT2, *arguments, path=path)


def unshare(flags: int) -> None:
    """`os.unshare` of Python 3.12."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """`os.setns` of Python 3.12."""
    _checked(_libc.setns(fd, kind), "setns")


def sethostname(name: bytes) -> None:
    _checked(_libc.sethostname(name, len(name)), "sethostname", name)


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    return _checked(_libc.prctl(option, first, second, 0, 0), "prctl")


def name_process(name: bytes) -> None:
    """What ps(1) shows as the command's name, at most 15 bytes (PR_SET_NAME, prctl(2))."""
    buffer = ctypes.create_string_buffer(name)
    _checked(_libc.prctl(15, ctypes.addressof(buffer), 0, 0, 0), "prctl")


def capset(*, effective: int, permitted: int, inheritable: int) -> None:
    """Set the calling thread's capability sets, given as bit masks (capset(2), version 3)."""
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    low = [value & 0xFFFF_FFFF for value in (effective, permitted, inheritable)]
    high = [value >> 32 for value in (effective, permitted, inheritable)]
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)(*low, *high)), "capset")


def reset_signal(signal: int) -> None:
    """SIG_DFL for any signal, also those glibc keeps to itself and will not let sigaction(3) touch."""
    number = _RT_SIGACTION.get(os.uname().machine)
    if number is not None:
        default, mask_bytes = bytes(64), 8  # struct kernel_sigaction, all zero, whatever its layout
        _syscall("rt_sigaction", number, signal, default, None, mask_bytes)


def join_session_keyring() -> None:
    """Swap the inherited session keyring for a new empty one (keyctl(2))."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:
        _syscall("keyctl", number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def seccomp_filter(program: bytes) -> SeccompFilter:
    """A program of struct sock_filter, 8 bytes each, ready for the kernel."""
    return SeccompFilter(len(program) // 8, program)


def set_seccomp_filter(prepared: SeccompFilter, *, listen: bool = False) -> int:
    """Subject this process and what it becomes to a filter, for good (seccomp(2)); needs CAP_SYS_ADMIN.

    SPEC_ALLOW, as runc: kernels before 5.16 would otherwise slow down everything the process does.
    listen: return a descriptor that the calls can be taken from which the filter hands over; only a signal that kills
    interrupts one then, where the kernel can promise that (Linux 5.19).
    """
    number = _SECCOMP.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "seccomp: no number known for this architecture")
    flags = _SECCOMP_FILTER_FLAG_SPEC_ALLOW
    if not listen:
        return _syscall("seccomp", number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(prepared))
    flags |= _SECCOMP_FILTER_FLAG_NEW_LISTENER
    try:
        patient = flags | _SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
        return _syscall("seccomp", number, _SECCOMP_SET_MODE_FILTER, patient, ctypes.byref(prepared))
    except OSError as exc:
        if exc.errno != errno.EINVAL:
            raise
    return _syscall("seccomp", number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(prepared))
