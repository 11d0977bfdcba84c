"""One vertex at a time: its keys, its stored result if there is one by now, else the work and its record."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from ..blocking import run_blocking
from ..errors import LlbuildError, VertexError
from ..llb import ExecOp
from .deriving import derive
from .events import VertexCached, VertexCompleted, VertexMissed, VertexStarted
from .keys import combine, content_key, content_memo, is_local
from .ledger import Entry
from .reporter import EventReporter
from .retry import retrying
from .store import Record

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..digest import Digest
    from ..llb import FileCopy, Vertex
    from .events import Emit
    from .execution import Limits
    from .keys import Key
    from .ledger import Ledger
    from .plan import Plan
    from .reasons import Past
    from .worker import Ref, Worker

__all__ = ["Performer"]


class Performer:
    """Gets vertices their results, one call each, inputs first; many calls may be under way."""

    def __init__(
        self,
        plan: Plan,
        worker: Worker,
        emit: Emit,
        *,
        ledger: Ledger,
        limits: Limits,
        plan_is_fresh: bool,
        explain: bool,
    ) -> None:
        """ledger: where it is written down, and who else is at the same work.
        plan_is_fresh: nobody had written to the store since it was planned when the ledger's flights were opened.
        explain: tell the reason of each miss.
        """
        self._plan = plan
        self._worker = worker
        self._store = ledger.store
        self._emit = emit
        self._flights = ledger.flights
        self._ledger = ledger
        self._limits = limits
        self._plan_is_fresh = plan_is_fresh
        self._explain = explain
        self._began = time.time()
        self._past: Past | None = None
        self._contents = dict(plan.contents)  # and, as they become known, those of results
        self.records: dict[Digest, Record] = dict(plan.hits)  # results so far
        self._made: dict[Key, Record] = {}  # by strong key, what this build made itself
        self._ran: set[Digest] = set()  # what it performed, sources apart

    async def perform(self, digest: Digest) -> None:
        """Add the vertex's result to `records`: from the store or by work. Raises VertexError."""
        vertex = self._plan.graph.vertices[digest]
        try:
            strong = await self._strong_key(vertex)
            if is_local(vertex):
                self.records[digest] = Record(await self._work(vertex), strong)
            else:
                self.records[digest] = await self._claimed(vertex, strong)
        except VertexError:
            raise
        except LlbuildError as failure:
            name = self._plan.graph.name(digest)
            raise VertexError(f"{name}: {failure.message}", vertex=digest, hint=failure.hint) from failure

    async def _claimed(self, vertex: Vertex, strong: Key) -> Record:
        """The result under its strong key, worked for by nobody else meanwhile."""
        await self._ledger.keep_up()
        await self._flights.claim(strong)
        try:
            found = await self._stored(vertex.digest, strong)
        except BaseException:
            self._flights.release(strong)
            raise
        if found is not None:
            self._flights.release(strong)
            self._emit(VertexCached(vertex.digest, time.time()))
            return found
        entry = Entry(
            claim=strong,
            key=self._plan.keys[vertex.digest],
            op=self._plan.op_keys[vertex.digest],
            derive=partial(derive, self._plan, vertex, self.records, self._contents),
            listings=self._listings(vertex),
        )
        try:
            # After the claim: who has a slot never waits for somebody who waits for one.
            async with self._slot(vertex):
                began = time.monotonic()
                refs = await self._work(vertex, entry)
        except LlbuildError:
            self._ledger.note(entry)
            raise
        except BaseException:
            self._flights.release(strong)
            raise
        record = self._made[strong] = Record(refs, strong)
        if vertex.digest not in self._plan.sources:
            self._ran.add(vertex.digest)
        self._ledger.note(entry, record, time.monotonic() - began)
        return record

    def _slot(self, vertex: Vertex) -> AbstractAsyncContextManager[None]:
        slots = self._limits.shared
        return nullcontext() if slots is None or not isinstance(vertex.op, ExecOp) else slots.held()

    async def _work(self, vertex: Vertex, entry: Entry | None = None) -> tuple[Ref, ...]:
        """Have the worker perform it. `entry`: what is known of it by now; None: nobody wants an explanation."""
        self._emit(VertexStarted(vertex.digest, time.time()))
        reporter = EventReporter(vertex.digest, self._emit)
        error = "canceled"
        try:
            if self._explain and entry is not None:
                reason = await run_blocking(self._reason, vertex, entry)
                if reason:
                    self._emit(VertexMissed(vertex.digest, reason, time.time()))
            inputs = tuple(self.records[edge.vertex].refs[edge.output] for edge in vertex.inputs)
            told = self._plan.graph.metadata.get(vertex.digest)
            resources = None if told is None else told.resources
            # A source that failed did so before anything ran: whatever the vertex does, it has not begun.
            refs = await retrying(
                partial(self._worker.perform, vertex, inputs, reporter, resources),
                self._limits.retry_delays_s,
                lambda words: reporter.log(2, f"{words}\n".encode()),
            )
            error = ""
        except LlbuildError as failure:
            error = failure.message
            raise
        finally:
            self._emit(VertexCompleted(vertex.digest, time.time(), error))
        return refs

    def _reason(self, vertex: Vertex, entry: Entry) -> str:
        """Why it must run, in a line; "" when nothing like it ever ran: there is nothing to tell."""
        from .explain import Cause, built_on  # only for displays that explain
        from .reasons import Past

        ran = [
            edge.vertex
            for index, edge in enumerate(vertex.inputs)
            if edge.vertex in self._ran and (vertex.digest, index) not in self._contents
        ]
        ignored = vertex.digest in self._plan.ignoring
        if ran and not ignored and self._store.durations([entry.op]):
            reason = built_on(self._plan.graph.name(ran[0]))  # the usual case of all that follows a change
        else:
            if self._past is None:
                self._past = Past(self._store.derivations, self._began)
            reason = self._past.reasons_of(entry.derive(), entry.listings)[0]
        return "" if reason.cause is Cause.NEW else reason.summary

    def _listings(self, vertex: Vertex) -> tuple[tuple[Digest, bytes], ...]:
        """Digests and listings of what the vertex reads by content."""
        places = [(vertex.digest, index) for index in range(len(vertex.inputs))]
        return tuple(self._contents[place] for place in places if place in self._contents)

    async def _stored(self, digest: Digest, strong: Key) -> Record | None:
        """The result of an equal vertex: made meanwhile, or known to be equal only now that the inputs are."""
        key = self._plan.keys[digest]
        found = self._made.get(strong)
        if found is None:
            if digest in self._plan.ignoring:
                return None
            if strong == key and self._plan_is_fresh and self._flights.alone:
                return None  # the plan has looked it up, and nobody else can have recorded anything since
            found = await run_blocking(self._find, strong)
        if found is not None and key != strong:
            await run_blocking(self._store.alias, key, strong)
        return found

    def _find(self, strong: Key) -> Record | None:
        with self._store.transaction():
            found = self._store.find([strong]).get(strong)
            if found is None or not all(map(self._worker.available, found.refs)):
                return None
            self._store.use([found])
        return found

    async def _strong_key(self, vertex: Vertex) -> Key:
        if not vertex.inputs:
            return self._plan.keys[vertex.digest]
        read = self._plan.reads.get(vertex.digest, {})
        parts: list[tuple[Key, int]] = []
        for index, edge in enumerate(vertex.inputs):
            local = self._plan.local_keys.get((vertex.digest, index))
            record = self.records[edge.vertex]
            if local is not None:
                parts.append((local, edge.output))
            elif index in read:
                # By content it does not matter which output of what it was.
                found = await self._content(record.refs[edge.output], read[index])
                self._contents[vertex.digest, index] = found
                parts.append((content_key(found[0]), 0))
            else:
                parts.append((record.strong, edge.output))
        return combine(self._plan.op_keys[vertex.digest], parts)

    async def _content(self, ref: Ref, selection: tuple[FileCopy, ...]) -> tuple[Digest, bytes]:
        """Digest, and listing if it is new, of what is read of a result. Layers never change: computed once."""
        memo = content_memo(ref, selection)
        known = await run_blocking(self._store.content, memo)
        if known is not None:
            return known, b""
        digest, listing = await self._worker.read_contents(ref, selection)
        await run_blocking(self._store.remember_content, memo, digest)
        return digest, listing
