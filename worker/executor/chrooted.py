"""A step without namespaces: chroot(2), fewer capabilities, and a process that sees to its end (`--isolation=chroot`).

That process starts as a copy of the helper. It puts the step's mounts in place by copying, forks the command into the
root, waits, kills what the command left behind (it is the reaper of all of them, PR_SET_CHILD_SUBREAPER), and takes
everything away again. What the container around permits beyond that is tried: a mount namespace, for /proc and devices.
"""

from __future__ import annotations

import os
import signal
import stat

from .. import syscalls
from . import capabilities, netfiles, process
from .child import join_cgroups, receive
from .failure import SetupError, explained
from .mounts import attach, bind, inside
from .network import bring_up_loopback
from .placing import Places
from .wire import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

    from .child import Kind
    from .host import Host
    from .wire import Mount, Report, Step

__all__ = ["run_child"]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CAP_SETPCAP = 8
_READ_BYTES = 1 << 16
_DEVICES = ((b"null", 1, 3), (b"zero", 1, 5), (b"full", 1, 7), (b"random", 1, 8), (b"urandom", 1, 9), (b"tty", 5, 0))
_LINKS = (
    *((b"fd", b"/proc/self/fd"), (b"stdin", b"/proc/self/fd/0"), (b"stdout", b"/proc/self/fd/1")),
    (b"stderr", b"/proc/self/fd/2"),
)
_FROM_MACHINE = (b"/proc", b"/sys")  # by a mount, where one is permitted


def run_child(orders: socket.socket, report: int, kind: Kind, host: Host) -> NoReturn:
    """Wait for a step, and run it to its end. Killed with SIGTERM, it ends the step first."""
    said: Report = {}
    warden = _Warden()
    try:
        syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        syscalls.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        os.umask(0)
        os.setsid()
        join_cgroups(kind.cgroups)
        step, fds = receive(orders)
        said = _run(step, fds, kind, host, warden)
    except SetupError as exc:
        said = {"error": exc.message, "hint": exc.hint}
    except OSError as exc:
        failure = explained("cannot set up the step", exc)
        said = {"error": failure.message, "hint": failure.hint}
    except BaseException as exc:  # noqa: BLE001  a bug; and nothing may be left of the step
        said = {"error": f"a bug in the step's setup: {exc!r}"}
    warden.end_all()
    os.write(report, pack(said))
    os._exit(0)


class _Warden:
    """Whoever is left of the step."""

    def __init__(self) -> None:
        self.command = 0
        self.told_to_end = False
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_: object) -> None:
        self.told_to_end = True
        self._kill_children()

    def wait(self) -> int:
        """The command's wait status; the orphans it leaves meanwhile are reaped."""
        while True:
            if self.told_to_end:
                self._kill_children()
            pid, status = os.waitpid(-1, 0)
            if pid == self.command:
                return status

    def end_all(self) -> None:
        """Children of a killed process become this one's, so: until there are none."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            self._kill_children()
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def _kill_children(self) -> None:
        for pid in _children():
            try:  # noqa: SIM105  contextlib is not loaded here
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _children() -> list[int]:
    """proc_pid_tid_children(5); and where the kernel was built without it, by looking at every process."""
    me = os.getpid()
    try:
        fd = os.open(b"/proc/thread-self/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _parent(pid) == me]
    text = b""
    while piece := os.read(fd, _READ_BYTES):
        text += piece
    os.close(fd)
    return [int(word) for word in text.split()]


def _parent(pid: int) -> int:
    try:
        fd = os.open(b"/proc/%d/stat" % pid, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    text = os.read(fd, _READ_BYTES)
    os.close(fd)
    return int(text.rpartition(b")")[2].split()[1])


def _run(step: Step, fds: list[int], kind: Kind, host: Host, warden: _Warden) -> Report:
    process.check_user(step, host)
    root = step["root"]["folder"]
    if not root:
        raise SetupError("a step without namespaces needs a root of copied files", "choose --snapshotter native")
    if step["root"]["readonly"] or not step["root"]["upper"]:  # others read the same copy
        raise SetupError("a root cannot be kept from being written without mounts", "use the built-in sandbox")
    aside = root + b".aside"
    os.mkdir(aside, 0o700)
    places = Places(root, aside)
    try:
        _furnish(places, step, host)
        return _run_in(root, step, fds, kind, host, warden)
    finally:
        warden.end_all()
        places.clear()
        os.rmdir(aside)


def _furnish(places: Places, step: Step, host: Host) -> None:
    texts = {
        b"/etc/hosts": netfiles.hosts(step["hostname"], step["extra_hosts"]),
        b"/etc/resolv.conf": netfiles.resolv_conf(netfiles.machine_resolv_conf(), step["network"], step["resolver"]),
    }
    for path, text in texts.items():
        places.file(path, text, 0o644)
    for path, mode in ((b"/proc", 0o555), (b"/sys", 0o555), (b"/dev", 0o755)):
        if places.is_link(path):  # an attack or a mistake, as in the sandbox
            raise SetupError(f"{os.fsdecode(path)} must be an ordinary folder in the image")
        places.folder(path, mode)
    places.folder(b"/dev/shm", 0o1777)
    for name, target in _LINKS:
        places.link_to(b"/dev/" + name, target)
    for name, major, minor in _DEVICES:
        place = places.take(b"/dev/" + name)
        try:
            os.mknod(place.name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=place.folder)
        except PermissionError:  # a file takes what is written; where a mount is permitted, the device covers it
            fd = os.open(place.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=place.folder)
            os.close(fd)
    for wanted in step["mounts"]:
        try:
            _place(places, wanted, host)
        except OSError as exc:
            raise explained(f"cannot prepare the mount at {os.fsdecode(wanted['dest'])}", exc) from exc


def _place(places: Places, wanted: Mount, host: Host) -> None:
    dest = wanted["dest"]
    if wanted["kind"] == "tmpfs":
        covered = places.mode_of_covered(dest)
        places.folder(dest, 0o1777 if covered < 0 else covered)
    elif wanted["kind"] == "secret":
        uid, gid = (wanted["uid"], wanted["gid"]) if host.maps(wanted["uid"], wanted["gid"]) else (0, 0)
        places.file(dest, wanted["data"], wanted["mode"], uid=uid, gid=gid)
    elif wanted["kind"] == "bind":
        source = wanted["source"]
        if stat.S_ISSOCK(os.stat(source).st_mode):
            places.link(dest, source)
            return
        whole = os.open(source, os.O_PATH | os.O_CLOEXEC)
        part = inside(whole, wanted["selector"]) if wanted["selector"] else os.dup(whole)
        back = os.readlink(b"/proc/self/fd/%d" % part) if not wanted["readonly"] else b""
        places.copy(dest, part, back)
        os.close(part)
        os.close(whole)
    else:
        raise SetupError(f"cannot show layers at {os.fsdecode(dest)} without mounts", "choose --snapshotter native")


def _run_in(root: bytes, step: Step, fds: list[int], kind: Kind, host: Host, warden: _Warden) -> Report:
    reader, writer = os.pipe()
    warden.command = os.fork()
    if warden.command == 0:
        os.close(reader)
        _become_command(root, step, fds, kind, host, writer)
    os.close(writer)
    for fd in fds:
        os.close(fd)
    failure = b""
    while piece := os.read(reader, _READ_BYTES):  # it closes on exec
        failure += piece
    os.close(reader)
    status = os.waitstatus_to_exitcode(warden.wait())
    if failure:
        message, _, hint = failure.partition(b"\0")
        raise SetupError(os.fsdecode(message), os.fsdecode(hint))
    return {"code": status if status >= 0 else 128 - status, "signal": max(-status, 0)}


def _become_command(root: bytes, step: Step, fds: list[int], kind: Kind, host: Host, report: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        if kind.network == "none":
            _leave_network()
        _mount_what_is_permitted(root)
        for number, fd in enumerate(fds[:3]):
            os.dup2(fd, number, inheritable=True)
        os.chroot(root)
        os.chdir(b"/")
        os.umask(0o022)
        process.make_cwd(step["cwd"], step["uid"], step["gid"], host=host)
        process.set_limits(step["rlimits"])
        if step["own_output"]:
            process.own_pipes(step["uid"], step["gid"], host=host)
        if not kind.insecure:
            if host.permitted >> _CAP_SETPCAP & 1:
                capabilities.drop_bounding(host.last_capability, capabilities.CHROOTED)
            host.permitted &= capabilities.CHROOTED
        process.become_user(step, host)
    except SetupError as exc:
        os.write(report, os.fsencode(f"{exc.message}\0{exc.hint}"))
        os._exit(1)
    except OSError as exc:
        failure = explained("cannot set up the step", exc)
        os.write(report, os.fsencode(f"{failure.message}\0{failure.hint}"))
        os._exit(1)
    try:
        process.execute(step)
    finally:
        os._exit(process.NOT_EXECUTABLE)


def _leave_network() -> None:
    try:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        bring_up_loopback()
    except OSError as exc:
        raise explained("--network=none takes a network namespace, which is not permitted here", exc) from exc


def _mount_what_is_permitted(root: bytes) -> None:
    """The machine's /proc and /sys, and its devices; or none of them."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount_setattr(syscalls.AT_FDCWD, b"/", propagation=syscalls.MS_SLAVE, recursive=True)
        for path in _FROM_MACHINE:
            readonly = syscalls.MOUNT_ATTR_RDONLY if path == b"/sys" else 0
            os.close(attach(bind(path, attributes=readonly), syscalls.AT_FDCWD, root + path))
        for name, _, _ in _DEVICES:
            device = b"/dev/" + name
            if stat.S_ISCHR(os.stat(device).st_mode):
                os.close(attach(bind(device), syscalls.AT_FDCWD, root + device))
    except OSError:
        pass  # as far as it went: the container around does not permit it
