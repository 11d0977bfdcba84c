"""One step, as its client follows it: a socket to the helper, from start to outcome (protocol: wire.py)."""

from __future__ import annotations

import array
import os
import socket
from typing import TYPE_CHECKING, cast

import anyio

from ...errors import SandboxError
from .spec import ExitStatus
from .wire import FrameReader, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .start import HelperProcess
    from .wire import Outcome, Step

__all__ = ["KILL_TIMEOUT_S", "StepChannel", "exit_status"]

KILL_TIMEOUT_S = 10.0  # only a process stuck in the kernel (a dead network filesystem, say) takes longer
_READ_BYTES = 1 << 16


class StepChannel:
    """Use it with `with`; `start` once, then `wait`."""

    def __init__(self, helper: HelperProcess) -> None:
        self._helper = helper
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._reader = FrameReader()

    def __enter__(self) -> StepChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._theirs.close()

    async def start(self, step: Step, fds: Sequence[int]) -> None:
        """Hand the step to the helper, with its stdin, stdout, stderr and, for a terminal, the way back for it."""
        rights = array.array("i", [self._theirs.fileno(), *fds])
        try:
            while True:
                try:
                    self._helper.control.sendmsg([b"s"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                    break
                except BlockingIOError:
                    await anyio.wait_writable(self._helper.control)
            self._theirs.close()
            message = memoryview(frame(step))
            while message:
                try:
                    message = message[self._socket.send(message) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._socket)
        except ConnectionError as exc:
            raise await self._helper_gone() from exc

    async def wait(self) -> Outcome:
        """The step's end. Cancelled, it kills the step and still waits until nothing of it is left."""
        try:
            return await self._receive()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(KILL_TIMEOUT_S, shield=True):
                self._kill()
                try:
                    await self._receive()
                except SandboxError:
                    pass  # a helper that is gone has taken the step along
            raise

    def _kill(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side is closed already

    async def _receive(self) -> Outcome:
        while True:
            await anyio.wait_readable(self._socket)
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            except ConnectionError as exc:
                raise await self._helper_gone() from exc
            if not data:
                raise await self._helper_gone()
            outcome = self._reader.feed(data)
            if outcome is not None:
                return cast("Outcome", outcome)

    async def _helper_gone(self) -> SandboxError:
        how = ""
        with anyio.move_on_after(1):
            await anyio.wait_readable(self._helper.pidfd)
            ended = os.waitid(os.P_PIDFD, self._helper.pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is not None:
                killed = ended.si_code != os.CLD_EXITED
                how = f" (killed by signal {ended.si_status})" if killed else f" (exit code {ended.si_status})"
        try:
            log = os.read(self._helper.log, _READ_BYTES).decode(errors="replace").strip()
        except BlockingIOError:
            log = ""
        last = f": {log.splitlines()[-1]}" if log else ""
        return SandboxError(f"the sandbox helper ended unexpectedly{how}{last}", hint="run the build again")


def exit_status(outcome: Outcome) -> ExitStatus:
    """Raises SandboxError when the step never came to run."""
    if "error" in outcome:
        raise SandboxError(outcome["error"], hint=outcome.get("hint", ""))
    return ExitStatus(
        code=outcome["code"],
        signal=outcome["signal"],
        user_s=outcome["user_s"],
        system_s=outcome["system_s"],
        max_rss_bytes=outcome["max_rss_bytes"],
    )
