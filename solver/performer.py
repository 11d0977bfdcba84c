"""One vertex at a time: its keys, its stored result if there is one by now, else the work and its record."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ..blocking import run_blocking
from ..digest import blake3_bytes
from ..errors import LlbuildError, VertexError
from ..llb.codec import encode_value, pack
from ..log import log
from .events import VertexCached, VertexCompleted, VertexStarted
from .keys import combine, content_key, is_local, selections
from .reporter import EventReporter
from .retry import retrying
from .store import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..digest import Digest
    from ..llb import FileCopy, Vertex
    from .events import Emit
    from .flights import Flights
    from .keys import Key
    from .plan import Plan
    from .store import CacheStore
    from .worker import Ref, Worker

__all__ = ["Performer"]


class Performer:
    """Gets vertices their results, one call each, inputs first; many calls may be under way."""

    def __init__(
        self,
        plan: Plan,
        worker: Worker,
        store: CacheStore,
        emit: Emit,
        *,
        flights: Flights,
        retry_delays_s: Sequence[float],
    ) -> None:
        """flights: who else is at the same work, here or in another process."""
        self._plan = plan
        self._worker = worker
        self._store = store
        self._emit = emit
        self._flights = flights
        self._retry_delays_s = retry_delays_s
        self.records: dict[Digest, Record] = dict(plan.hits)  # results so far
        self._made: dict[Key, Record] = {}  # by strong key, what this build made itself

    async def perform(self, digest: Digest) -> None:
        """Add the vertex's result to `records`: from the store or by work. Raises VertexError."""
        vertex = self._plan.graph.vertices[digest]
        try:
            strong = await self._strong_key(vertex)
            if is_local(vertex):
                self.records[digest] = await self._work(vertex, strong)
                return
            async with self._flights.claim(strong):
                record = await self._stored(digest, strong)
                if record is None:
                    record = await self._work(vertex, strong)
                    self._made[strong] = record
        except VertexError:
            raise
        except LlbuildError as failure:
            name = self._plan.graph.name(digest)
            raise VertexError(f"{name}: {failure.message}", vertex=digest, hint=failure.hint) from failure
        self.records[digest] = record

    async def _work(self, vertex: Vertex, strong: Key) -> Record:
        started = time.time()
        self._emit(VertexStarted(vertex.digest, started))
        reporter = EventReporter(vertex.digest, self._emit)
        error = "canceled"
        try:
            inputs = tuple(self.records[edge.vertex].refs[edge.output] for edge in vertex.inputs)
            # A source that failed did so before anything ran: whatever the vertex does, it has not begun.
            refs = await retrying(
                partial(self._worker.perform, vertex, inputs, reporter),
                self._retry_delays_s,
                lambda words: reporter.log(2, f"{words}\n".encode()),
            )
            error = ""
        except LlbuildError as failure:
            error = failure.message
            raise
        finally:
            self._emit(VertexCompleted(vertex.digest, time.time(), error))
        record = Record(refs, strong)
        if not is_local(vertex):
            await run_blocking(self._remember, vertex, record, time.time() - started)
        return record

    def _remember(self, vertex: Vertex, record: Record, duration_s: float) -> None:
        keys = {self._plan.keys[vertex.digest], record.strong}
        self._store.record(
            sorted(keys),
            record.refs,
            strong=record.strong,
            op=self._plan.op_keys[vertex.digest],
            name=self._plan.graph.name(vertex.digest),
            duration_s=max(0.0, duration_s),  # a clock may be set back meanwhile
        )
        log.debug("result_recorded", vertex=vertex.digest.short, duration_s=duration_s)

    async def _stored(self, digest: Digest, strong: Key) -> Record | None:
        """The result of an equal vertex: made meanwhile, or known to be equal only now that the inputs are."""
        found = self._made.get(strong)
        key = self._plan.keys[digest]
        if found is None:
            if digest in self._plan.ignoring:
                return None
            if strong == key and not self._flights.shared:
                return None  # was looked up by the plan already
            found = await run_blocking(self._find, key, strong)
        elif key != strong:
            await run_blocking(self._store.alias, key, strong)
        if found is not None:
            self._emit(VertexCached(digest, time.time()))
        return found

    def _find(self, key: Key, strong: Key) -> Record | None:
        with self._store.transaction():
            found = self._store.find([strong]).get(strong)
            if found is None or not all(self._worker.available(ref) for ref in found.refs):
                return None
            self._store.use([found])
            if key != strong:
                self._store.alias(key, strong)
        return found

    async def _strong_key(self, vertex: Vertex) -> Key:
        if not vertex.inputs:
            return self._plan.keys[vertex.digest]
        read = selections(vertex)
        parts: list[tuple[Key, int]] = []
        for index, edge in enumerate(vertex.inputs):
            local = self._plan.local_keys.get((vertex.digest, index))
            record = self.records[edge.vertex]
            if local is not None:
                parts.append((local, edge.output))
            elif index in read:
                # By content it does not matter which output of what it was.
                parts.append((content_key(await self._content(record.refs[edge.output], read[index])), 0))
            else:
                parts.append((record.strong, edge.output))
        return combine(self._plan.op_keys[vertex.digest], parts)

    async def _content(self, ref: Ref, selection: tuple[FileCopy, ...]) -> Digest:
        """Digest of what is read of a result. Layers never change, so it is computed once and remembered."""
        memo = blake3_bytes(pack([list(ref), encode_value(selection)]))
        known = await run_blocking(self._store.content, memo)
        if known is None:
            known = await self._worker.content_digest(ref, selection)
            await run_blocking(self._store.remember_content, memo, known)
        return known
