"""The helper process: forks each step from a small image of its own, so that a step costs milliseconds.

It is pid 1 of its own pid namespace: when it ends, however it ends, the kernel kills every step with
everything the steps started (pid_namespaces(7)). It ends when the client does: its sockets close, and
PDEATHSIG. One thread, one loop; it never decodes names and imports as little as can be.
"""

from __future__ import annotations

import array
import errno
import gc
import os
import select
import signal
import socket

from .. import syscalls
from . import chrooted, idkeeper, mountpoints
from .child import Kind, Namespaces, run_child
from .emulators import Emulators
from .failure import explained
from .host import Host, make_stubs
from .network import StepNetwork
from .wire import MOST_LENT, FrameReader, decode_report, decode_settings, decode_step, frame, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .wire import Outcome, Settings, Step

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
_GLIBC_SIGNALS = (32, 33)  # posix_spawn(3) leaves them ignored, and that is inherited
_MAX_FDS = 5 + MOST_LENT
_READ_BYTES = 1 << 16
_BLOCK_BYTES = 512  # of getrusage(2), whatever the disk's


class _Child:
    """A forked process that prepares itself and waits for a step."""

    __slots__ = ("keeper", "orders", "pid", "report")

    def __init__(self, pid: int, orders: socket.socket, report: int, keeper: int) -> None:
        self.pid = pid
        self.keeper = keeper  # the process that answers its calls about ids, or 0: nobody has to
        self.orders = orders
        self.report = report

    def take(self, body: bytes, fds: list[int]) -> None:
        """Hand it its step. It may have died of what it could not prepare: its report says so then."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        message = frame(body)
        try:
            sent = self.orders.sendmsg([message], rights, socket.MSG_NOSIGNAL)
            self.orders.sendall(message[sent:], socket.MSG_NOSIGNAL)
        except OSError as exc:
            if exc.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
        self.orders.close()


class _Running:
    """A step, from the moment its channel arrives until its outcome is sent."""

    __slots__ = ("channel", "child", "fds", "message", "pidfd", "upper")

    def __init__(self, channel: socket.socket, fds: list[int]) -> None:
        self.channel = channel
        self.fds = fds  # stdin, stdout, stderr and perhaps a console: closed here once handed on
        self.message = FrameReader()
        self.child: _Child | None = None
        self.pidfd = -1
        self.upper = b""


class _Helper:
    def __init__(self, control: socket.socket, host: Host, settings: Settings) -> None:
        self._control = control
        self._host = host
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._own_pidns = os.open(b"/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._spare: _Child | None = None
        self._usual = Kind(network="machine")
        self._emulators = Emulators(host)
        self._chrooted: set[int] = set()
        self._network: StepNetwork | None = None
        self._no_network: Outcome = {"error": "no program is there to connect it"}
        if settings["network"]:
            self._connect(settings["network"])
        self._watch(control.fileno(), self._accept)

    def _connect(self, program: list[bytes]) -> None:
        try:
            self._network = StepNetwork(program, self._host, self._watch, self._forget)
        except OSError as exc:
            self._no_network = {"error": explained("cannot make a network for steps", exc).message}
            return
        self._usual = Kind(network="shared")

    def serve(self) -> NoReturn:
        if not self._host.chroot:
            self._prepare_spare()
        while True:
            for fd, _ in self._poll.poll():
                handler = self._handlers.get(fd)  # an earlier one of this round may have closed it
                if handler is not None:
                    handler()

    def _watch(self, fd: int, handler: Callable[[], None]) -> None:
        self._handlers[fd] = handler
        self._poll.register(fd, select.EPOLLIN)

    def _forget(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _accept(self) -> None:
        space = socket.CMSG_SPACE(_MAX_FDS * 4)
        data, ancillary, _, _ = self._control.recvmsg(1, space, socket.MSG_CMSG_CLOEXEC)
        if not data:  # the client is gone, and with this process all steps
            self._end_chrooted()
            os._exit(0)
        fds = array.array("i")
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        channel = socket.socket(fileno=fds[0])
        if data == b"n":
            self._tell_network(channel)
            return
        step = _Running(channel, list(fds[1:]))
        self._watch(channel.fileno(), lambda: self._hear(step))

    def _end_chrooted(self) -> None:
        """Those whose namespace does not end with this process: they take their leave themselves."""
        for pid in self._chrooted:
            os.kill(pid, signal.SIGTERM)
        for pid in self._chrooted:
            os.waitpid(pid, 0)

    def _tell_network(self, channel: socket.socket) -> None:
        def tell(outcome: Outcome) -> None:
            _send(channel, outcome)

        if self._network is None:
            tell(self._no_network)
        else:
            self._network.when_ready(tell)

    def _hear(self, step: _Running) -> None:
        """The client speaks twice on a channel: the step, and the end, which means kill."""
        data = step.channel.recv(_READ_BYTES)
        if not data:
            self._forget(step.channel.fileno())
            if step.child is not None:
                # One that stands above a chrooted step has to end that itself.
                os.kill(step.child.pid, signal.SIGTERM if self._host.chroot else signal.SIGKILL)
            else:
                self._finish(step, {"error": "the step was withdrawn before it was complete"})
            return
        body = step.message.feed(data) if step.child is None else None
        if body is not None:
            self._start(step, body)

    def _start(self, running: _Running, body: bytes) -> None:
        step = decode_step(body)
        try:
            child = self._child_for(step)
        except OSError as exc:
            failure = explained("cannot start a process", exc)
            self._finish(running, {"error": failure.message, "hint": failure.hint})
            return
        child.take(body, running.fds)
        for fd in running.fds:
            os.close(fd)
        running.fds = []
        running.child, running.upper = child, step["root"]["upper"]
        running.pidfd = os.pidfd_open(child.pid)
        self._watch(running.pidfd, lambda: self._reap(running, child))
        if self._spare is None and not self._host.chroot:
            self._prepare_spare()

    def _child_for(self, step: Step) -> _Child:
        # One that cannot be registered is told when the program turns out to need it.
        wanted = bool(step["emulator"]) and not self._host.chroot
        emulated = wanted and self._emulators.add(step["emulator"])
        kind = Kind(network=step["network"], insecure=step["insecure"], cgroups=step["cgroups"], emulated=emulated)
        spare = self._spare
        if spare is not None and kind == self._usual:
            self._spare = None
            return spare
        return self._fork(kind)

    def _prepare_spare(self) -> None:
        try:
            self._spare = self._fork(self._usual)
        except OSError:
            self._spare = None  # the next step will try again, and say why it cannot

    def _fork(self, kind: Kind) -> _Child:
        orders, child_orders = socket.socketpair()
        report, child_report = os.pipe()
        asks, answers = socket.socketpair() if self._host.notify is not None else (None, None)
        try:
            if self._host.chroot:
                pid = os.fork()
                if pid == 0:
                    orders.close()
                    chrooted.run_child(child_orders, child_report, kind, self._host)
                self._chrooted.add(pid)
                return _Child(pid, orders, report, keeper=0)
            syscalls.unshare(syscalls.CLONE_NEWPID)
            try:
                pid = os.fork()
                if pid == 0:
                    orders.close()  # or the helper's end would not show
                    if answers is not None:
                        answers.close()
                    namespace = self._network.namespace if self._network is not None else -1
                    spaces = Namespaces(network=namespace, emulation=self._emulators.namespace)
                    run_child(self._host, child_orders, child_report, kind, spaces, asks)
            finally:
                # The next child needs a namespace of its own, and one can only be made from here.
                syscalls.setns(self._own_pidns, syscalls.CLONE_NEWPID)
            keeper = 0 if answers is None else os.fork()
            if answers is not None and keeper == 0:
                idkeeper.keep_ids(self._host, answers, pid)
        except OSError:
            os.close(report)
            orders.close()
            raise
        finally:
            os.close(child_report)
            child_orders.close()
            for end in (asks, answers):
                if end is not None:
                    end.close()
        return _Child(pid, orders, report, keeper)

    def _reap(self, step: _Running, child: _Child) -> None:
        """By now the whole tree is gone: the kernel reports a namespace's first process only after all others."""
        _, status, usage = os.wait4(child.pid, 0)
        self._chrooted.discard(child.pid)
        self._forget(step.pidfd)
        os.close(step.pidfd)
        if child.keeper:
            os.kill(child.keeper, signal.SIGKILL)
            os.waitpid(child.keeper, 0)
        report = os.read(child.report, _READ_BYTES)
        os.close(child.report)
        code = os.waitstatus_to_exitcode(status)
        outcome: Outcome = {
            "code": code if code >= 0 else 128 - code,
            "signal": max(-code, 0),
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,
            "read_bytes": usage.ru_inblock * _BLOCK_BYTES,
            "written_bytes": usage.ru_oublock * _BLOCK_BYTES,
        }
        if report:
            said = decode_report(report)
            if "code" in said:
                outcome["code"], outcome["signal"] = said["code"], said["signal"]
            if "made" in said:
                mountpoints.remove(step.upper, said["made"], said["copied"])
            if "error" in said:
                outcome = {"error": said["error"], "hint": said.get("hint", "")}
        self._finish(step, outcome)

    def _finish(self, step: _Running, outcome: Outcome) -> None:
        self._forget(step.channel.fileno())
        _send(step.channel, outcome)
        for fd in step.fds:
            os.close(fd)


def _send(channel: socket.socket, outcome: Outcome) -> None:
    try:
        channel.sendall(frame(pack(outcome)), socket.MSG_NOSIGNAL)
    except OSError as exc:
        if exc.errno not in (errno.EPIPE, errno.ECONNRESET):  # else: nobody waits for it any more
            raise
    channel.close()


def main(control_fd: int, folder: str, settings_fd: int) -> NoReturn:
    """Serve steps until the client is gone. Called by the boot code of `start.py`.

    settings_fd: a pipe to read the `Settings` from.
    """
    syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    syscalls.name_process(b"llbuild-sandbox")
    os.setsid()  # Ctrl-C in the client's terminal is for the client
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            # Steps would inherit what is ignored, and Python ignores some by itself.
            signal.signal(number, signal.SIG_DFL)
    for hidden in _GLIBC_SIGNALS:
        syscalls.reset_signal(hidden)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    settings = decode_settings(_read_all(settings_fd))
    if not settings["chroot"]:
        syscalls.unshare(syscalls.CLONE_NEWPID)
        pid = os.fork()
        if pid:
            _wait_for(pid)
        syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:  # noqa: SIM105  contextlib is not loaded here
        syscalls.join_session_keyring()
    except OSError:
        pass
    root = os.path.abspath(os.fsencode(folder))
    stage, stubs = root + b"/stage", root + b"/stubs"
    os.makedirs(stage, exist_ok=True)
    make_stubs(stubs)
    # Nothing here makes cycles; and a collection in a child would touch, and so copy, every page it shares.
    gc.disable()
    host = Host(stage, stubs, settings["filter"], settings["runtime"], settings["id_calls"], chroot=settings["chroot"])
    _Helper(socket.socket(fileno=control_fd), host, settings).serve()


def _read_all(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, _READ_BYTES):
        pieces.append(piece)
    os.close(fd)
    return b"".join(pieces)


def _wait_for(pid: int) -> NoReturn:
    """Stand between the client and the helper, which has to be pid 1 of a namespace it cannot create itself."""
    os.closerange(3, 1024)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)
