"""Solving: perform what the plan left to do, as parallel as the graph and the machine allow.

The schedule decides, `_perform` touches the world. The first vertex that fails cancels the rest.
"""

from __future__ import annotations

import os
import time
from math import inf
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..digest import Digest, blake3_digest
from ..errors import LlbuildError, VertexError, first_error
from ..llb import ExecOp, SourceOp
from ..llb.codec import encode_value, pack
from ..log import log
from ..values import frozen
from .events import VertexCached, VertexCompleted, VertexStarted
from .keys import combine, content_key, is_local, selections
from .plan import make_plan, unresolved_sources
from .reporter import EventReporter
from .schedule import Resource, Schedule, Task
from .store import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from ..llb import Definition, Edge, FileCopy, Vertex
    from .events import Emit
    from .keys import Key
    from .plan import Plan
    from .store import CacheStore
    from .worker import Ref, Worker

__all__ = ["Limits", "execute", "resolve_sources", "solve"]


@frozen
class Limits:
    """How much runs at once. Processes mostly wait, so many of them; copies keep a core busy each."""

    execs: int = 64
    disk: int = 2 + (os.cpu_count() or 1)
    transfers: int = 8


async def solve(
    definitions: Sequence[Definition], worker: Worker, store: CacheStore, emit: Emit, limits: Limits | None = None
) -> dict[Edge, Ref]:
    """Resolve, plan and execute. Returns the ref of every root.

    Raises VertexError (ExecError among them) for the first vertex that failed, SourceError when a
    source cannot be resolved.
    """
    graph, sources, unknown = unresolved_sources(definitions, worker)
    sources.update(await resolve_sources(unknown, worker))
    plan = await run_blocking(make_plan, graph, sources, worker, store)
    return await execute(plan, worker, store, emit, limits)


async def resolve_sources(unknown: Sequence[Vertex], worker: Worker) -> dict[Digest, str]:
    """Ask, all at once, what these sources stand for right now."""
    resolved: dict[Digest, str] = {}

    async def resolve(vertex: Vertex) -> None:
        assert isinstance(vertex.op, SourceOp)
        resolved[vertex.digest] = await worker.resolve(vertex.op, vertex.platform)

    try:
        async with anyio.create_task_group() as group:
            for vertex in unknown:
                group.start_soon(resolve, vertex)
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    return resolved


async def execute(
    plan: Plan, worker: Worker, store: CacheStore, emit: Emit, limits: Limits | None = None
) -> dict[Edge, Ref]:
    """Perform what the plan left to do. Returns the ref of every root."""
    plan.announce(emit, time.time())
    records = await _Execution(plan, worker, store, emit).run(limits or Limits())
    return {edge: records[edge.vertex].refs[edge.output] for edge in plan.graph.roots}


class _Execution:
    """One run of one plan: the results so far, and how a vertex gets its own."""

    def __init__(self, plan: Plan, worker: Worker, store: CacheStore, emit: Emit) -> None:
        self._plan = plan
        self._worker = worker
        self._store = store
        self._emit = emit
        self._records: dict[Digest, Record] = dict(plan.hits)

    async def run(self, limits: Limits) -> dict[Digest, Record]:
        schedule = Schedule(_tasks(self._plan), _capacity(limits))
        send, receive = anyio.create_memory_object_stream[Digest](inf)
        try:
            async with send, receive, anyio.create_task_group() as group:
                for digest in schedule.start():
                    group.start_soon(self._perform, digest, send)
                while not schedule.finished:
                    for digest in schedule.finish(await receive.receive()):
                        group.start_soon(self._perform, digest, send)
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        return self._records

    async def _perform(self, digest: Digest, ended: MemoryObjectSendStream[Digest]) -> None:
        """Get the vertex's result, from the store or by work, and report its end."""
        vertex = self._plan.graph.vertices[digest]
        try:
            strong = await self._strong_key(vertex)
            record = await self._stored(digest, strong)
            if record is None:
                record = await self._work(vertex, strong)
        except VertexError:
            raise
        except LlbuildError as failure:
            name = self._plan.graph.name(digest)
            raise VertexError(f"{name}: {failure.message}", vertex=digest, hint=failure.hint) from failure
        self._records[digest] = record
        ended.send_nowait(digest)

    async def _work(self, vertex: Vertex, strong: Key) -> Record:
        started = time.time()
        self._emit(VertexStarted(vertex.digest, started))
        error = "canceled"
        try:
            inputs = tuple(self._records[edge.vertex].refs[edge.output] for edge in vertex.inputs)
            record = Record(
                await self._worker.perform(vertex, inputs, EventReporter(vertex.digest, self._emit)), strong
            )
            error = ""
        except LlbuildError as failure:
            error = failure.message
            raise
        finally:
            self._emit(VertexCompleted(vertex.digest, time.time(), error))
        if not is_local(vertex):
            await run_blocking(self._remember, vertex, record, time.time() - started)
        return record

    def _remember(self, vertex: Vertex, record: Record, duration_s: float) -> None:
        keys = {self._plan.keys[vertex.digest], record.strong}
        name = self._plan.graph.name(vertex.digest)
        self._store.record(sorted(keys), record.refs, strong=record.strong, name=name, duration_s=duration_s)
        log.debug("result_recorded", vertex=vertex.digest.short, duration_s=duration_s)

    async def _stored(self, digest: Digest, strong: Key) -> Record | None:
        """The result of an equal vertex, found only now that the inputs are known."""
        key = self._plan.keys[digest]
        if digest in self._plan.ignoring or strong == key:
            return None  # must run, or was looked up by the plan already
        found = await run_blocking(self._find, key, strong)
        if found is not None:
            self._emit(VertexCached(digest, time.time()))
        return found

    def _find(self, key: Key, strong: Key) -> Record | None:
        found = self._store.find([strong]).get(strong)
        if found is None or not all(self._worker.available(ref) for ref in found.refs):
            return None
        self._store.alias(key, strong)
        return found

    async def _strong_key(self, vertex: Vertex) -> Key:
        if not vertex.inputs:
            return self._plan.keys[vertex.digest]
        read = selections(vertex)
        parts: list[tuple[Key, int]] = []
        for index, edge in enumerate(vertex.inputs):
            local = self._plan.local_keys.get((vertex.digest, index))
            record = self._records[edge.vertex]
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
        memo = bytes.fromhex(blake3_digest(pack([list(ref), encode_value(selection)])).hex)
        known = await run_blocking(self._store.content, memo)
        if known is None:
            known = await self._worker.content_digest(ref, selection)
            await run_blocking(self._store.remember_content, memo, known)
        return known


def _tasks(plan: Plan) -> list[Task]:
    todo = frozenset(plan.todo)
    tasks = []
    for digest in plan.todo:
        vertex = plan.graph.vertices[digest]
        inputs = frozenset(edge.vertex for edge in vertex.inputs if edge.vertex in todo)
        resource, cost = _expected(vertex)
        tasks.append(Task(digest=digest, inputs=inputs, resource=resource, cost=cost))
    return tasks


def _expected(vertex: Vertex) -> tuple[Resource, float]:
    """What a vertex occupies, and its cost in seconds before any experience: a process outweighs copies."""
    if isinstance(vertex.op, ExecOp):
        return Resource.EXEC, 1.0
    if isinstance(vertex.op, SourceOp):
        return Resource.TRANSFER, 0.1
    return Resource.DISK, 0.01


def _capacity(limits: Limits) -> dict[Resource, int]:
    return {Resource.EXEC: limits.execs, Resource.DISK: limits.disk, Resource.TRANSFER: limits.transfers}
