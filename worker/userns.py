"""Being root without being root: the user namespace llbuild works in when it lacks the right to mount.

One id is mapped for now: the caller becomes id 0 inside, and no other id exists there.
"""

from __future__ import annotations

import errno
import os

from ..errors import SandboxError
from ..values import frozen
from .syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, unshare

__all__ = [
    "UserNamespace",
    "enter_user_namespace",
    "in_user_namespace",
    "needs_user_namespace",
    "probe_namespaces",
]

_CAP_SYS_ADMIN = 21
_EVERY_ID = ["0", "0", "4294967295"]  # what uid_map says outside any user namespace, user_namespaces(7)


@frozen
class UserNamespace:
    """Whom the ids inside stand for: uid 0 and gid 0 are these, seen from outside."""

    uid: int
    gid: int


def in_user_namespace() -> bool:
    """Whether this process lives in a user namespace other than the machine's first one.

    There, device nodes cannot be made and overlayfs keeps its marks in `user.overlay.*` xattrs.
    """
    try:
        return _read("/proc/self/uid_map").split() != _EVERY_ID
    except FileNotFoundError:  # a kernel without user namespaces
        return False


def needs_user_namespace() -> bool:
    """Whether mounts are out of reach as things stand: not root, or a root without CAP_SYS_ADMIN."""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return not int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1
    return os.geteuid() != 0


def enter_user_namespace() -> UserNamespace:
    """Move this process into a new user and mount namespace, as root there.

    Call it once, before anything starts a thread: the kernel refuses a process that has several.
    Raises SandboxError saying what to enable where it is not permitted.
    """
    outside = UserNamespace(uid=os.geteuid(), gid=os.getegid())
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNS)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise AssertionError("enter_user_namespace: called after a thread was started") from exc
        raise _refused("a user namespace", exc) from exc
    try:
        # An unprivileged process must give up setgroups(2) before it may map a group, user_namespaces(7).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {outside.uid} 1")
        _write("/proc/self/gid_map", f"0 {outside.gid} 1")
    except OSError as exc:
        raise _refused("a user namespace with mapped ids", exc) from exc
    return outside


def probe_namespaces() -> SandboxError | None:
    """What would refuse a sandbox here, or None; tried out in a child, so that nothing changes for the caller."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        number = 0
        try:
            if needs_user_namespace():
                enter_user_namespace()
            unshare(CLONE_NEWNS | CLONE_NEWPID)
        except SandboxError as exc:
            number = exc.__cause__.errno or errno.EPERM if isinstance(exc.__cause__, OSError) else errno.EPERM
        except OSError as exc:
            number = exc.errno or errno.EPERM
        finally:
            os.write(writer, str(number).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as report:
        number = int(report.read() or errno.EPERM)
    os.waitpid(child, 0)
    return _refused("a user namespace", OSError(number, os.strerror(number))) if number else None


def _refused(what: str, exc: OSError) -> SandboxError:
    reason = os.strerror(exc.errno or 0)
    return SandboxError(f"this machine does not permit {what}: {reason}", hint=_what_to_enable(exc.errno))


def _what_to_enable(number: int | None) -> str:
    if number == errno.ENOSPC or _setting("user/max_user_namespaces") == "0":
        return "raise the limit: sysctl user.max_user_namespaces=15000"
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "allow them for ordinary users: sysctl kernel.unprivileged_userns_clone=1"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor restricts them: sysctl kernel.apparmor_restrict_unprivileged_userns=0,"
            " or load a profile that grants `userns` to this Python"
        )
    return (
        "run as root, or let user namespaces through (in a container: a seccomp profile that allows unshare"
        " and mount, e.g. --security-opt seccomp=unconfined)"
    )


def _setting(name: str) -> str:
    try:
        return _read(f"/proc/sys/{name}").strip()
    except OSError:
        return ""


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123  pathlib costs 10 ms, and this runs on every start
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
