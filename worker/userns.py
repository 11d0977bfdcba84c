"""Being root without being root: the user namespace llbuild works in when it lacks the right to mount.

The caller becomes id 0 inside. With ranges of further ids (subids.py) 1, 2, 3 … are these; without, no other id exists.
Which of the two holds for a state folder stands in it, in the file `user-ids`: files of sub-ids cannot be touched
without them, and owners that were only remembered (owners.py) mean nothing where others are real.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..errors import SandboxError
from ..values import frozen
from .owners import forget_ids
from .subids import NoSubIds, SubIds, find_sub_ids
from .syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, setns, unshare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "UserNamespace",
    "choose_ids",
    "enter_user_namespace",
    "needs_user_namespace",
    "probe_ids",
    "probe_namespaces",
]

_CAP_SYS_ADMIN = 21


_MARK = "user-ids"  # in a state folder
_ONE = "one"


@frozen
class UserNamespace:
    """Whom the ids inside stand for: uid 0 and gid 0 are these, seen from outside; the others those of `sub_ids`."""

    uid: int
    gid: int
    sub_ids: SubIds | None = None


def needs_user_namespace() -> bool:
    """Whether mounts are out of reach as things stand: not root, or a root without CAP_SYS_ADMIN."""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return not int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1
    return os.geteuid() != 0


def choose_ids(root: str = "") -> SubIds | NoSubIds:
    """Which ids steps may have for an ordinary user, with the state in `root`; changes nothing.

    Raises SandboxError when files in there belong to ids that are not to be had any more.
    """
    found = find_sub_ids(os.geteuid())
    if not root:
        return found
    mark = _marked(root)
    if not mark or mark == _mark_of(found) or not _holds_files(root):
        return found
    if mark == _ONE:
        return NoSubIds(
            reason=f"the state folder {root} was begun without further ids",
            hint="there are some now: 'llbuild prune --all' empties it, or choose another (--root)",
        )
    reason = found.reason if isinstance(found, NoSubIds) else "the ranges in /etc/subuid and /etc/subgid have changed"
    raise SandboxError(
        f"files in the state folder {root} belong to ids that are not to be had any more ({mark}): {reason}",
        hint="give them back in /etc/subuid and /etc/subgid, or choose another folder (--root)",
    )


def enter_user_namespace(root: str = "") -> UserNamespace:
    """Move this process into a new user and mount namespace, as root there.

    root: the state folder that it is going to work in; what is chosen for a new one holds from then on.
    Call it once, before anything starts a thread: the kernel refuses a process that has several.
    Raises SandboxError saying what to enable where it is not permitted.
    """
    chosen = choose_ids(root)
    if isinstance(chosen, SubIds):
        try:
            entered = _enter_with(chosen)
        except SandboxError:
            if root and _marked(root) not in ("", _ONE) and _holds_files(root):
                raise
            entered = _enter_with_one()
    else:
        entered = _enter_with_one()
    forget_ids()
    if root:
        with suppress(OSError):  # a folder that cannot be written is somebody else's to complain about
            _mark(root, _mark_of(entered.sub_ids))
    return entered


def _enter_with_one() -> UserNamespace:
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


def _enter_with(sub_ids: SubIds) -> UserNamespace:
    """Join the namespace of a child that got the ranges: should they be refused, nothing has happened to us."""
    outside = UserNamespace(uid=os.geteuid(), gid=os.getegid(), sub_ids=sub_ids)
    reader, writer = os.pipe()  # says that the namespace is there, and what went wrong
    held, holding = os.pipe()  # keeps the child until this process has let go
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.close(holding)
        _hold_namespace(writer, held)
    os.close(writer)
    os.close(held)
    try:
        number = int(os.read(reader, 16) or errno.EPERM)
        if number:
            raise _refused("a user namespace", OSError(number, os.strerror(number)))
        _map_ids(sub_ids.newuidmap, child, outside.uid, sub_ids.uids)
        _map_ids(sub_ids.newgidmap, child, outside.gid, sub_ids.gids)
        _join(child)
    finally:
        os.close(reader)
        os.close(holding)
        os.waitpid(child, 0)
    return outside


def _hold_namespace(writer: int, held: int) -> None:
    """The child: make the namespace, and stay until the other side has closed its pipe."""
    number = 0
    try:
        unshare(CLONE_NEWUSER)
    except OSError as exc:
        number = exc.errno or errno.EPERM
    finally:
        os.write(writer, b"%d" % number)
        os.read(held, 1)
        os._exit(0)


def _map_ids(program: str, child: int, own: int, ranges: Sequence[tuple[int, int]]) -> None:
    rows = [(0, own, 1)]
    for first, count in ranges:
        rows.append((rows[-1][0] + rows[-1][2], first, count))
    words = [program, str(child), *(str(number) for row in rows for number in row)]
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawn(program, words, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 2)])
    except OSError as exc:
        os.close(reader)
        raise _refused(f"further ids ({program})", exc) from exc
    finally:
        os.close(writer)
    with os.fdopen(reader, errors="replace") as said:
        message = said.read(1 << 12).strip()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise SandboxError(
            f"{program} refuses: {message.splitlines()[-1] if message else 'it says nothing'}",
            hint="it must be set-user-id root, or have the capability to set ids, and no_new_privs must not be set",
        )


def _join(child: int) -> None:
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(namespace, CLONE_NEWUSER)
        unshare(CLONE_NEWNS)
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            raise AssertionError("enter_user_namespace: called after a thread was started") from exc
        raise _refused("a user namespace", exc) from exc
    finally:
        os.close(namespace)


def _mark_of(ids: SubIds | NoSubIds | None) -> str:
    """What a state folder says of its ids."""
    if not isinstance(ids, SubIds):
        return _ONE
    texts = [",".join(f"{first}+{count}" for first, count in ranges) for ranges in (ids.uids, ids.gids)]
    return f"uids {texts[0]} gids {texts[1]}"


def _marked(root: str) -> str:
    """ "" in a new folder. One of an earlier version, which knew no others, has been begun with one id."""
    try:
        return _read(f"{root}/{_MARK}").strip()
    except OSError:
        return _ONE if _holds_files(root) else ""


def _mark(root: str, text: str) -> None:
    if os.path.isdir(root) and _marked(root) != text:
        new = f"{root}/{_MARK}.{os.getpid()}"
        _write(new, text + "\n", os.O_CREAT)
        os.replace(new, f"{root}/{_MARK}")


def _holds_files(root: str) -> bool:
    """Whether there is something in a state folder that steps or images own."""
    for name in ("snapshots", "cache-mounts"):
        with suppress(OSError), os.scandir(f"{root}/{name}") as entries:
            if next(entries, None) is not None:
                return True
    return False


def probe_namespaces() -> SandboxError | None:
    """What would refuse a sandbox here, or None; tried out in a child, so that nothing changes for the caller."""

    def enter() -> None:
        if needs_user_namespace():
            _enter_with_one()
        unshare(CLONE_NEWNS | CLONE_NEWPID)

    said = _tried(enter)
    number = int(said) if said.isdecimal() else errno.EPERM if said else 0
    return _refused("a user namespace", OSError(number, os.strerror(number))) if number else None


def probe_ids(root: str = "") -> SubIds | NoSubIds:
    """As `choose_ids`, after trying it out."""
    chosen = choose_ids(root)
    if isinstance(chosen, SubIds):
        wanted = chosen
        said = _tried(partial(_enter_with, wanted))
        if said:
            return NoSubIds(
                reason=said, hint="newuidmap and newgidmap must be set-user-id root, and no_new_privs must not be set"
            )
    return chosen


def _tried(attempt: Callable[[], object]) -> str:
    """What goes wrong with it, in a child: an error number, a sentence, or "" for nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        said = str(errno.EPERM)
        try:
            attempt()
            said = ""
        except SandboxError as exc:
            cause = exc.__cause__
            said = str(cause.errno or errno.EPERM) if isinstance(cause, OSError) else exc.message
        except OSError as exc:
            said = str(exc.errno or errno.EPERM)
        finally:
            os.write(writer, said.encode(errors="replace"))
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as report:
        said = report.read()
    os.waitpid(child, 0)
    return said


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
    with open(path, encoding="ascii") as file:
        return file.read()


def _write(path: str, text: str, flags: int = 0) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
