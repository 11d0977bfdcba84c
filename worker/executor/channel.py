"""One step, as its client follows it: a socket to the helper, from start to outcome (protocol: wire.py)."""

from __future__ import annotations

import array
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from ...errors import SandboxError
from .spec import ExitStatus
from .wire import FrameReader, decode_outcome, frame, pack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

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
        self._socket.settimeout(0)
        self._reader = FrameReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._theirs.close()

    async def start(self, step: Step, fds: Sequence[int]) -> None:
        """Hand the step to the helper, with its stdin, stdout, stderr and, for a terminal, the way back for it."""
        try:
            await self._open(b"s", fds)
            message = memoryview(frame(pack(step)))
            while message:
                try:
                    message = message[self._socket.send(message) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._socket)
        except ConnectionError as exc:
            gone = await self._helper_gone()
            raise SandboxError(gone["error"], hint=gone["hint"]) from exc

    async def ask_network(self) -> None:
        """Instead of `start`: let the outcome be that of the network all steps share."""
        try:
            await self._open(b"n", ())
        except ConnectionError as exc:
            gone = await self._helper_gone()
            raise SandboxError(gone["error"], hint=gone["hint"]) from exc

    async def _open(self, kind: bytes, fds: Sequence[int]) -> None:
        rights = array.array("i", [self._theirs.fileno(), *fds])
        while True:
            try:
                self._helper.control.sendmsg([kind], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                break
            except BlockingIOError:
                await anyio.wait_writable(self._helper.control)
        self._theirs.close()

    async def wait(self) -> Outcome:
        """The step's end, whatever it is. Cancelled, it kills the step and waits until nothing of it is left."""
        try:
            return await self._receive()
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(KILL_TIMEOUT_S, shield=True):
                self._kill()
                await self._receive()
            raise

    def _kill(self) -> None:
        with suppress(OSError):  # the other side is closed already
            self._socket.shutdown(socket.SHUT_WR)

    async def _receive(self) -> Outcome:
        while True:
            await anyio.wait_readable(self._socket)
            try:
                data = self._socket.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                return await self._helper_gone()
            body = self._reader.feed(data)
            if body is not None:
                return decode_outcome(body)

    async def _helper_gone(self) -> Outcome:
        """What to say when the helper has ended; the step has ended with it."""
        if not self._helper.reaped:
            pidfd = os.dup(self._helper.pidfd)  # to wait on alone: every step may be here at once
            with anyio.move_on_after(1):
                await anyio.wait_readable(pidfd)
            os.close(pidfd)
        how = self._helper.ending()
        return {"error": f"the sandbox helper ended unexpectedly ({how})", "hint": "run the build again"}


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
        read_bytes=outcome["read_bytes"],
        written_bytes=outcome["written_bytes"],
    )
