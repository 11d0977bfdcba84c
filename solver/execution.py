"""Solving: perform what the plan left to do, as parallel as the graph and the machine allow.

The schedule decides, the performer touches the world. The first vertex that fails cancels the rest, or, with
`keep_going`, only what needs it.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from ..blocking import run_blocking
from ..errors import BuildError, LlbuildError, VertexError, raise_first
from ..llb import ExecOp, SourceOp
from ..reporting import SILENT
from ..values import frozen
from .entitlements import check_entitlements
from .flights import Flights
from .ledger import open_ledger
from .performer import Performer
from .plan import make_plan, unresolved_sources
from .retry import RETRY_DELAYS_S, retrying
from .schedule import Resource, Schedule, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from ..digest import Digest
    from ..llb import Definition, Edge, Vertex
    from ..reporting import Reporter
    from .events import Emit
    from .keys import Key
    from .plan import Plan
    from .slots import Slots
    from .store import CacheStore
    from .worker import Ref, Worker

    Watch: TypeAlias = Callable[[SourceOp], AbstractContextManager[Reporter]]

__all__ = ["Limits", "execute", "resolve_sources", "solve"]


@frozen
class Limits:
    """How much runs at once, how long one tries, and what steps may ask for.

    Processes mostly wait, so many; copies keep a core busy each.
    """

    execs: int = 64
    disk: int = 2 + (os.cpu_count() or 1)
    transfers: int = 8
    shared: Slots | None = None  # for the processes of all builds of a state folder together
    allowed: tuple[str, ...] = ()  # `ENTITLEMENTS`; `execute` leaves it to whoever made the plan to look
    keep_going: bool = False  # after a failure, go on with what does not need it
    retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S  # before each further try of a source that fails in passing


async def solve(
    definitions: Sequence[Definition],
    worker: Worker,
    store: CacheStore,
    emit: Emit,
    limits: Limits | None = None,
    *,
    flights: Flights | None = None,
    explain: bool = False,
) -> dict[Edge, Ref]:
    """Resolve, plan and execute. Returns the ref of every root.

    Raises VertexError (ExecError among them) for the first vertex that failed, or source that could not be resolved.
    """
    limits = limits or Limits()
    check_entitlements(definitions, limits.allowed)
    graph, sources, unknown = unresolved_sources(definitions, worker)
    sources.update(await resolve_sources(unknown, worker, limits))
    plan = await run_blocking(make_plan, graph, sources, worker, store)
    return await execute(plan, worker, store, emit, limits, flights=flights, explain=explain)


async def resolve_sources(
    unknown: Sequence[Vertex], worker: Worker, limits: Limits | None = None, watch: Watch | None = None
) -> dict[Digest, str]:
    """Ask, all at once, what these sources stand for right now. Raises VertexError for one that cannot be told.

    watch: opens, for each of them, what is to hear how that goes; None: nobody is.
    """
    delays_s = (limits or Limits()).retry_delays_s
    resolved: dict[Digest, str] = {}

    async def resolve(vertex: Vertex) -> None:
        op = vertex.op
        assert isinstance(op, SourceOp)
        with watch(op) if watch is not None else nullcontext(SILENT) as reporter:
            try:
                resolved[vertex.digest] = await retrying(
                    partial(worker.resolve, op, vertex.platform, reporter),
                    delays_s,
                    lambda words: reporter.log(2, f"{words}\n".encode()),
                )
            except LlbuildError as failure:
                raise VertexError(failure.message, vertex=vertex.digest, hint=failure.hint) from failure

    try:
        async with anyio.create_task_group() as group:
            for vertex in unknown:
                group.start_soon(resolve, vertex)
    except BaseExceptionGroup as errors:
        raise_first(errors)
    return resolved


async def execute(
    plan: Plan,
    worker: Worker,
    store: CacheStore,
    emit: Emit,
    limits: Limits | None = None,
    *,
    flights: Flights | None = None,
    explain: bool = False,
) -> dict[Edge, Ref]:
    """Perform what the plan left to do. Returns the ref of every root.

    flights: shared with the other processes that build with this store; None: there are none.
    explain: tell the reason of each miss (VertexMissed).
    Raises VertexError; BuildError when several failed, which only `keep_going` lets happen.
    """
    limits = limits or Limits()
    plan.announce(emit, time.time())
    flights = flights or Flights()
    durations, fresh = await run_blocking(_look_back, plan, store)
    schedule = Schedule(_tasks(plan, durations), _capacity(limits))
    try:
        async with open_ledger(store, flights) as ledger:
            performer = Performer(
                plan,
                worker,
                emit,
                ledger=ledger,
                limits=limits,
                plan_is_fresh=fresh,
                explain=explain,
            )
            failures = await _run(schedule, performer, keep_going=limits.keep_going)
    except BaseExceptionGroup as errors:
        raise_first(errors)
    if failures:
        order = {digest: number for number, digest in enumerate(plan.todo)}
        failures.sort(key=lambda failure: order[failure.vertex])
        raise failures[0] if len(failures) == 1 else BuildError(failures)
    return {edge: performer.records[edge.vertex].refs[edge.output] for edge in plan.graph.roots}


def _look_back(plan: Plan, store: CacheStore) -> tuple[dict[Key, float], bool]:
    """How long the ops took the last time, and whether the plan still says all there is to know."""
    durations = store.durations({plan.op_keys[digest] for digest in plan.todo})
    return durations, store.version() == plan.store_version


async def _run(schedule: Schedule, performer: Performer, *, keep_going: bool) -> list[VertexError]:
    """Everything the schedule holds. Returns what failed; without `keep_going` the first failure is raised."""
    failures: list[VertexError] = []

    async def perform(digest: Digest) -> None:
        """A vertex, and then the first one that starts because it has ended: a chain needs one task."""
        ready = [digest]
        while ready:
            digest, *others = ready
            for other in others:
                group.start_soon(perform, other)
            try:
                await performer.perform(digest)
            except VertexError as failure:
                if not keep_going:
                    raise
                failures.append(failure)
                ready = schedule.fail(digest)
            else:
                ready = schedule.finish(digest)
            await checkpoint()  # nothing begins once all was cancelled, and whoever waits has a turn

    async with anyio.create_task_group() as group:
        for digest in schedule.start():
            group.start_soon(perform, digest)
    return failures


def _tasks(plan: Plan, durations: Mapping[Key, float]) -> list[Task]:
    todo = frozenset(plan.todo)
    tasks = []
    for digest in plan.todo:
        vertex = plan.graph.vertices[digest]
        inputs = frozenset(edge.vertex for edge in vertex.inputs if edge.vertex in todo)
        resource, guess_s = _expected(vertex)
        cost = durations.get(plan.op_keys[digest], guess_s)
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
