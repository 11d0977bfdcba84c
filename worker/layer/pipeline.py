"""Steps of a pipeline in threads of their own, with bounded queues between them.

Plain threads and not `run_blocking`: packing and unpacking are synchronous and run inside one of its threads
already; these are short-lived, belong to one call and are joined before it returns.
"""

from __future__ import annotations

from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Prefetch", "Stage"]

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

    def settle(self) -> None:
        """Wait until everything put so far has been worked on, and go on."""
        self._queue.join()
        if self._error is not None:
            raise self._error

    def join(self) -> None:
        """Wait until everything put has been worked on, and end."""
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
            self._queue.task_done()


class Prefetch(Generic[_T]):
    """An iterator that is run ahead, a few items, in a thread of its own."""

    def __init__(self, source: Iterator[_T], *, name: str) -> None:
        self._source = source
        self._queue: Queue[_T | None] = Queue(_DEPTH)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _T:
        item = None if self._stopped else self._queue.get()
        if item is not None:
            return item
        self._stopped = True
        self._thread.join()
        if self._error is not None:
            raise self._error
        raise StopIteration

    def abandon(self) -> None:
        """Stop soon and wait for that. Harmless at the end."""
        self._stopped = True
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        # The thread can add one item and its end mark at most: there is room for both now.
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._queue.put(item)
                if self._stopped:
                    break
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            self._error = error
        self._queue.put(None)
