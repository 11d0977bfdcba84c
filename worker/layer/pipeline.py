"""A step of a pipeline in a thread of its own, with a bounded queue before it.

Plain threads and not `run_blocking`: packing and unpacking are synchronous and run inside one of its threads
already; these are short-lived, belong to one call and are joined before it returns.
"""

from __future__ import annotations

from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Stage"]

_T = TypeVar("_T")
_DEPTH = 4  # enough to ride out one slow neighbour, and a few MiB at most


class Stage(Generic[_T]):
    """Calls `work` for every item put, in order, in one thread.

    When `work` fails, the rest is thrown away and the next `put` or `join` raises its error.
    """

    def __init__(self, work: Callable[[_T], object], *, name: str) -> None:
        self._work = work
        self._queue: Queue[_T | None] = Queue(_DEPTH)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: _T) -> None:
        """Hand over one item; waits while the queue is full."""
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def join(self) -> None:
        """Wait until everything put has been worked on."""
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Stop soon and wait for that; items not begun are lost. Harmless after `join`."""
        if not self._thread.is_alive():
            return
        self._error = self._error or InterruptedError("abandoned")
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                    self._error = error
