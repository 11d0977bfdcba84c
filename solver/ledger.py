"""Writing down what a build performs, behind the work: the next vertex does not wait for the disk.

    async with open_ledger(store, flights) as ledger:
        …ledger.note(entry)…             # any number, from the event loop

Whatever comes within a moment, or while one transaction is written, goes into one. A claim on a key is given back
once the result is there for others to find.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

from ..blocking import run_blocking
from ..image import CacheRecord
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
_MANY = 256  # every lock makes the next one slower, and whoever is killed loses what was not written


@frozen
class Entry:
    """A vertex that is performed, and what there is to say of it whatever comes of it."""

    claim: Key  # to be given back
    key: Key  # by definition
    op: Key
    derive: Callable[[], Derivation]  # what the key was made of; called where nobody waits for it
    listings: tuple[tuple[Digest, bytes], ...] = ()


class _Noted(NamedTuple):
    entry: Entry
    record: Record | None
    duration_s: float


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
        self._noted: list[_Noted] = []  # and not written yet
        self._wanted = anyio.Event()  # there is something to write, or nothing will come any more
        self._hurry = anyio.Event()  # … and nothing more to wait for
        self._taken = anyio.Event()  # what was noted is being written
        self._closed = self._broken = False

    async def keep_up(self) -> None:
        """Wait while very much is noted that is not written yet: before a claim."""
        while len(self._noted) >= _MANY:
            await self._taken.wait()

    def note(self, entry: Entry, record: Record | None = None, duration_s: float = 0.0) -> None:
        """Have it written down; returns at once. record: None: it failed; only an explanation is left of it."""
        if self._broken:  # writing has failed, and is what ends the build
            self.flights.release(entry.claim)
            return
        self._noted.append(_Noted(entry, record, duration_s))
        self._wanted.set()
        if len(self._noted) >= _MANY:
            self._hurry.set()

    def close(self) -> None:
        """Nothing more will come: `write` ends when it has caught up."""
        self._closed = True
        self._wanted.set()
        self._hurry.set()

    async def write(self) -> None:
        """Write until `close`, cancelled or not: what is under way may still end well. Raises StoreError."""
        with anyio.CancelScope(shield=True):
            while self._noted or not self._closed:
                await self._wanted.wait()
                with anyio.move_on_after(_GATHER_S):
                    await self._hurry.wait()
                await self._write_all(self._take())

    def _take(self) -> list[_Noted]:
        noted, self._noted = self._noted, []
        self._taken.set()
        self._taken = anyio.Event()
        if not self._closed:
            self._wanted, self._hurry = anyio.Event(), anyio.Event()
        return noted

    async def _write_all(self, noted: list[_Noted]) -> None:
        if not noted:
            return
        try:
            await run_blocking(self._record, noted)
        except BaseException:
            self._broken = True
            noted += self._take()
            raise
        finally:
            for entry, _, _ in noted:
                self.flights.release(entry.claim)

    def _record(self, noted: Sequence[_Noted]) -> None:
        derivations: list[Derivation] = []
        listings: dict[Digest, bytes] = {}
        made: list[CacheRecord] = []
        for entry, record, duration_s in noted:
            derivation = entry.derive()
            derivations.append(derivation if record is not None else replace(derivation, done=False))
            listings.update(entry.listings)
            if record is not None:
                made.append(
                    CacheRecord(
                        keys=(entry.key,) if entry.key == record.strong else (entry.key, record.strong),
                        strong=record.strong,
                        op=entry.op,
                        refs=record.refs,
                        name=derivation.name,
                        duration_s=duration_s,
                    )
                )
                log.debug("result_recorded", vertex=derivation.vertex.short, duration_s=duration_s)
        with self.store.transaction():
            self.store.derivations.record(derivations, listings)
            self.store.record(made)
