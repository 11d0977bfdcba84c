"""The client's end of a terminal: `llbuild run` at a prompt.

The step has a terminal of its own inside (terminal_side.py); while it runs, this process's terminal is raw, so that
keys reach the inner one untouched: Ctrl-C becomes a signal there, for whatever runs in the foreground.
"""

from __future__ import annotations

import array
import fcntl
import os
import signal
import socket
import struct
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from .channel import StepChannel, exit_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .spec import ExitStatus
    from .start import HelperProcess
    from .wire import Step

__all__ = ["run_on_terminal"]

_READ_BYTES = 1 << 14
_STDIN, _STDOUT = 0, 1


async def run_on_terminal(helper: HelperProcess, step: Step, lent: Sequence[int] = ()) -> ExitStatus:
    """Run a step on a terminal joined to this process's, which stdin and stdout must be. Main thread only.

    lent: see `request.lent_mounts`.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, StepChannel(helper) as channel:
        with theirs:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            try:
                await channel.start(step, (null, null, null, theirs.fileno(), *lent))
            finally:
                os.close(null)
        with _raw_terminal():
            async with anyio.create_task_group() as group:
                group.start_soon(_relay, ours)
                outcome = await channel.wait()
                # The relay ends by itself once it has read everything: the other side of the terminal is gone.
                group.cancel_scope.deadline = anyio.current_time() + 1
        return exit_status(outcome)


async def _relay(console: socket.socket) -> None:
    await anyio.wait_readable(console)
    room = array.array("i", [-1])
    data, ancillary, _, _ = console.recvmsg(1, socket.CMSG_SPACE(room.itemsize), socket.MSG_CMSG_CLOEXEC)
    if not data or not ancillary:
        return  # the step failed before it had a terminal
    (master,) = struct.unpack("i", ancillary[0][2])
    try:
        os.set_blocking(master, False)
        _copy_size(master)
        console.send(b"s")  # the step waits for it: its first look at the terminal must see the size
        async with anyio.create_task_group() as group:
            group.start_soon(_send_keys, master)
            group.start_soon(_follow_size, master)
            await _show_output(master)
            group.cancel_scope.cancel()
    finally:
        os.close(master)


async def _show_output(master: int) -> None:
    while True:
        await anyio.wait_readable(master)
        try:
            data = os.read(master, _READ_BYTES)
        except BlockingIOError:
            continue
        except OSError:  # EIO: nothing has the terminal open any more, pty(7)
            return
        if not data:
            return
        await run_blocking(_write_all, _STDOUT, data)


async def _send_keys(master: int) -> None:
    while True:
        await anyio.wait_readable(_STDIN)
        keys = os.read(_STDIN, _READ_BYTES)
        if not keys:
            return
        while keys:
            try:
                keys = keys[os.write(master, keys) :]
            except BlockingIOError:
                await anyio.wait_writable(master)


async def _follow_size(master: int) -> None:
    with anyio.open_signal_receiver(signal.SIGWINCH) as changes:
        async for _ in changes:
            _copy_size(master)


def _copy_size(master: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(_STDOUT, termios.TIOCGWINSZ, b"\0" * 8))


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@contextmanager
def _raw_terminal() -> Iterator[None]:
    before = termios.tcgetattr(_STDIN)
    try:
        tty.setraw(_STDIN, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, before)
