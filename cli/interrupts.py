"""Ctrl-C, SIGTERM and SIGHUP as one orderly way to stop.

Whatever runs (an event loop, plain code) already knows how to end on Ctrl-C; the other signals
take the same road, and only the exit code remembers which it was.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Signals", "deliver_signals"]


class Signals:
    """Remembers what ended the program."""

    __slots__ = ("exit_code",)

    def __init__(self) -> None:
        self.exit_code = 128 + signal.SIGINT

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: continue as if Ctrl-C had been pressed."""
        self.exit_code = 128 + number
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):  # the event loop's, when one runs
            interrupt(signal.SIGINT, frame)
        else:  # started in the background by a shell without job control: SIGINT is ignored
            raise KeyboardInterrupt


@contextmanager
def deliver_signals() -> Iterator[Signals]:
    """Within: SIGTERM and SIGHUP end the program as Ctrl-C does. A signal someone ignored stays ignored."""
    signals = Signals()
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            with suppress(ValueError):  # not the main thread: somebody else's program, and their signals
                before[number] = signal.signal(number, signals.stop)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
