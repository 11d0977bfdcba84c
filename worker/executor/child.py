"""A step's first process, from fork to exec: what happens inside, in order.

It starts as a copy of the helper, as pid 1 of a new pid namespace. First it does all that is the same for every step
of its kind; then it waits for the step. The helper keeps one child of the usual kind waiting, so that most of a
step's start has happened before the step is known. Until `execute` this is trusted code; nothing of the image has
run yet. Whatever fails is reported through a pipe that closes by itself on exec.
"""

from __future__ import annotations

import array
import os
import socket
import sys

from .. import syscalls
from . import hosted, process, terminal_side
from .failure import SetupError, explained
from .network import bring_up_loopback
from .rootfs import RootFilesystem
from .wire import MOST_LENT, FrameReader, decode_step, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .host import Host
    from .wire import Network, Report, Step

__all__ = ["Kind", "Namespaces", "join_cgroups", "receive", "run_child"]

_NAMESPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWCGROUP
_REPORT_LIMIT = 60_000  # the pipe holds 64 KiB, and nobody reads before this process is gone
_MAX_FDS = 4 + MOST_LENT
_READ_BYTES = 1 << 16


class Kind:
    """What of a step must be known before it is."""

    __slots__ = ("cgroups", "emulated", "insecure", "network")

    def __init__(
        self, *, network: Network, insecure: bool = False, cgroups: list[bytes] | None = None, emulated: bool = False
    ) -> None:
        self.network: Network = network
        self.insecure = insecure
        self.cgroups = cgroups or []
        self.emulated = emulated

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kind) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Namespaces:
    """Those that are there for several steps, as descriptors; -1: there is none, or it is the helper's own."""

    __slots__ = ("emulation", "network")

    def __init__(self, *, network: int, emulation: int) -> None:
        self.network = network
        self.emulation = emulation


def run_child(
    host: Host, orders: socket.socket, report: int, kind: Kind, shared: Namespaces, keeper: socket.socket | None
) -> NoReturn:
    """Prepare for a step of this kind, wait for it, and become its command. keeper: see process.have_ids_kept."""
    root: RootFilesystem | None = None
    said: Report = {}
    try:
        join_cgroups(kind.cgroups)  # before there is a cgroup namespace, whose root is where one is at that moment
        _isolate(kind.network, shared.network)
        root = RootFilesystem(host, insecure=kind.insecure)
        root.prepare()
        if not kind.insecure and not host.runtime:
            process.limit_privileges(host)
        step, fds = receive(orders)
        root.lent = fds[len(fds) - step["lent"] :]
        del fds[len(fds) - step["lent"] :]
        if host.runtime:
            code = hosted.run(step, fds, host, root)
        else:
            _set_up(step, fds, host, root)
            if kind.emulated and shared.emulation >= 0:
                process.enter_emulation(step, host, shared.emulation)
            if keeper is not None:
                process.have_ids_kept(step, host, root, keeper)
            process.become_user(step, host)
    except SetupError as exc:
        said = {"error": exc.message, "hint": exc.hint}
    except OSError as exc:
        failure = explained("cannot set up the sandbox", exc)
        said = {"error": failure.message, "hint": failure.hint}
    except BaseException as exc:  # noqa: BLE001  a bug: nothing may run on in what is still the helper's code
        said = {"error": f"a bug in the sandbox's setup: {exc!r} at {_place(exc)}"}
    if root is not None and root.mount_points.made:
        said["made"], said["copied"] = root.mount_points.made, root.mount_points.copied
    if said:
        message = pack(said)
        os.write(report, message if len(message) <= _REPORT_LIMIT else pack({"error": "too many mount points"}))
    if "error" in said:
        os._exit(1)
    if host.runtime:
        os._exit(code)  # by now it has run
    try:
        process.execute(step)
    finally:
        os._exit(process.NOT_EXECUTABLE)


def receive(orders: socket.socket) -> tuple[Step, list[int]]:
    """The step, and its stdin, stdout, stderr, perhaps a console, and the mounts that are lent to it."""
    reader = FrameReader()
    fds = array.array("i")
    while True:
        room = socket.CMSG_SPACE(_MAX_FDS * fds.itemsize)
        data, ancillary, _, _ = orders.recvmsg(_READ_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            os._exit(0)  # the helper has no more use for this process
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        body = reader.feed(data)
        if body is not None:
            return decode_step(body), list(fds)


def _set_up(step: Step, fds: list[int], host: Host, root: RootFilesystem) -> None:
    process.check_user(step, host)
    syscalls.sethostname(step["hostname"])
    root.build(step)
    root.enter()
    root.furnish()
    stdin, stdout, stderr, *console = fds
    if console:
        terminal_side.open_terminal(console[0], step["uid"] if host.maps(step["uid"], 0) else 0)
    else:
        for number, fd in enumerate((stdin, stdout, stderr)):
            os.dup2(fd, number, inheritable=True)
    os.umask(0o022)
    process.make_cwd(step["cwd"], step["uid"], step["gid"], host=host)
    root.protect()
    root.mount_points.note_times()
    process.set_limits(step["rlimits"])
    if step["own_output"]:
        process.own_pipes(step["uid"], step["gid"], host=host)


def join_cgroups(cgroups: list[bytes]) -> None:
    for folder in cgroups:
        try:
            file = os.open(folder + b"/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            os.write(file, b"0")
            os.close(file)
        except OSError as exc:
            raise explained(f"cannot put the step into its cgroup {os.fsdecode(folder)}", exc) from exc


def _isolate(network: Network, shared_network: int) -> None:
    os.umask(0)
    os.setsid()
    # Once inside, an import would run code of the image with all privileges.
    sys.meta_path.clear()
    try:
        if network == "shared":
            syscalls.setns(shared_network, syscalls.CLONE_NEWNET)
        syscalls.unshare(_NAMESPACES | (syscalls.CLONE_NEWNET if network == "none" else 0))
        # Or mounts made here would spread to the machine (mount_namespaces(7)). Not private: what the machine mounts
        # while this process waits for its step may be what the step needs, and what it unmounts must not be held.
        syscalls.mount_setattr(syscalls.AT_FDCWD, b"/", propagation=syscalls.MS_SLAVE, recursive=True)
    except OSError as exc:
        raise explained("cannot isolate the step", exc) from exc
    if network == "none":
        bring_up_loopback()
    try:  # noqa: SIM105  contextlib is not loaded here
        syscalls.join_session_keyring()  # the step must not find the keys of whoever runs llbuild
    except OSError:
        pass  # over the quota of keys: it gets the helper's own, just as empty


def _place(exc: BaseException) -> str:
    """Where it happened; the traceback module would want to read source files, which are out of reach by now."""
    where, trace = "?", exc.__traceback__
    while trace is not None:
        where, trace = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}", trace.tb_next
    return where
