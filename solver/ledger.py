"""Writing down what a build performs, behind the work: the next vertex does not wait for the disk.

    async with open_ledger(store, flights) as ledger:
        …ledger.note(entry)…             # any number, from the event loop

Whatever comes within a moment, or while one transaction is written, goes into one. A claim on a key is given back
once the result is there for others to find.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..log import log
from ..values import frozen, replace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from ..digest import Digest
    from .derivations import Derivation
    from .flights import Flights
    from .keys import Key
    from .store import CacheStore, Record

__all__ = ["Entry", "Ledger", "open_ledger"]

_GATHER_S = 0.02  # a transaction costs as much as what three vertices have to say


@frozen
class Entry:
    """A vertex that was performed. `record` None: it failed, which is worth an explanation, and no more."""

    claim: Key  # to be given back
    key: Key  # by definition
    op: Key
    record: Record | None
    derive: Callable[[], Derivation]  # what the key was made of; called where nobody waits for it
    listings: tuple[tuple[Digest, bytes], ...] = ()
    duration_s: float = 0.0


@asynccontextmanager
async def open_ledger(store: CacheStore, flights: Flights) -> AsyncIterator[Ledger]:
    """A ledger to note in. Leaving it, however that happens, waits until all is written.

    Raises, in a group as any task group does, StoreError when the store cannot be written.
    """
    ledger = Ledger(store, flights)
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.write)
        try:
            yield ledger
        finally:
            ledger.close()


class Ledger:
    """Made by `open_ledger`. Belongs to one event loop."""

    def __init__(self, store: CacheStore, flights: Flights) -> None:
        self.store = store
        self.flights = flights
        self._send, self._receive = anyio.create_memory_object_stream[Entry](inf)
        self._closed = anyio.Event()
        self._gathered: list[Entry] = []  # taken from the stream, not written yet

    def note(self, entry: Entry) -> None:
        """Have it written down; returns at once."""
        try:
            self._send.send_nowait(entry)
        except anyio.BrokenResourceError:  # writing has failed, and is what ends the build
            self.flights.release(entry.claim)

    def close(self) -> None:
        """Nothing more will come: `write` ends when it has caught up."""
        self._send.close()
        self._closed.set()

    async def write(self) -> None:
        """Write until `close`, cancelled or not: what is under way may still end well. Raises StoreError."""
        with anyio.CancelScope(shield=True), self._receive:
            try:
                async for entry in self._receive:
                    self._gathered.append(entry)
                    with anyio.move_on_after(_GATHER_S):
                        await self._closed.wait()
                    await self._write_all()
            finally:
                await self._write_all()

    async def _write_all(self) -> None:
        while True:
            try:
                self._gathered.append(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        entries, self._gathered = self._gathered, []
        if not entries:
            return
        try:
            await run_blocking(self._record, entries)
        finally:
            for entry in entries:
                self.flights.release(entry.claim)

    def _record(self, entries: Sequence[Entry]) -> None:
        with self.store.transaction():
            for entry in entries:
                record, derivation = entry.record, entry.derive()
                done = record is not None
                self.store.derivations.record(replace(derivation, done=done), entry.listings)
                if record is not None:
                    self.store.record(
                        sorted({entry.key, record.strong}),
                        record.refs,
                        strong=record.strong,
                        op=entry.op,
                        name=derivation.name,
                        duration_s=max(0.0, entry.duration_s),  # a clock may be set back meanwhile
                    )
                log.debug("result_recorded", vertex=derivation.vertex.short, duration_s=entry.duration_s)
