"""The second gear of a build: ask registries, run what must run, pack layers, export. With an event loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import LlbuildError
from ..llb import redacted
from ..solver import (
    Flights,
    Limits,
    Slots,
    check_entitlements,
    default_slots,
    execute,
    make_plan,
    resolve_sources,
    unresolved_sources,
)
from ..values import replace
from ..worker import LocalWorker, unwanted_caches
from ..worker.executor import CgroupSpec, missing_network, network_program
from ..worker.snapshotter import open_snapshotter
from ..worker.source import ImageSource
from .client import CommandLineClient
from .compiling_async import Answers, complete
from .context import is_ssh
from .engine import check_attestations, result_refs
from .executors import make_executor
from .exporting import export_result
from .exports import check_outputs, image_outputs, only_exported, registries_of
from .given import AgentSource
from .job import BuildResult
from .phases import phase

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..frontend import Compiled
    from ..llb import SourceOp
    from ..solver import EventReporter, Plan
    from ..worker.executor import HelperProcess
    from .job import Build
    from .state import State

__all__ = ["run_build"]

_REFRESH_S = 0.1
_TIDY_S = 0.25


def run_build(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    """Do what is left of a build. `compiled`, `plan` and the sandbox's `helper`: how far the first gear got."""
    return anyio.run(_build, job, compiled, plan, helper)


async def _build(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    """Work, with the display's clock beside it."""
    failure: LlbuildError | None = None
    result = BuildResult()
    async with anyio.create_task_group() as group:
        group.start_soon(_tick, job)
        group.start_soon(_tidy, job)
        try:
            if image_outputs(job.options):
                group.start_soon(run_blocking, _load_packers)
            result = await _work(job, compiled, plan, helper)
        except LlbuildError as error:  # kept out of the group, which would wrap it
            failure = error
        group.cancel_scope.cancel()
    await run_blocking(job.state.layers.close)
    if failure is not None:
        raise failure
    return result


async def _work(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    async with AsyncExitStack() as stack:
        images = await stack.enter_async_context(ImageSource(job.state.content, registries=registries_of(job.options)))
        await run_blocking(_sweep, job.state)
        network = await run_blocking(network_program)
        executor = make_executor(
            job.state.root, job.options.confinement, network=network, helper=helper, notice=partial(_note, job)
        )
        client = await stack.enter_async_context(CommandLineClient(job.options.secrets, _agents(job)))
        remote = await stack.enter_async_context(job.state.remote_sources(job.prober, client))
        caches = job.state.caches
        snapshotter = open_snapshotter(job.options.snapshotter or "overlay", job.state.layers)
        stack.callback(snapshotter.close)
        worker = LocalWorker(
            job.prober,
            images=images,
            remote=remote,
            executor=executor,
            caches=caches,
            snapshotter=snapshotter,
            client=client,
            cgroup=CgroupSpec(resources=job.options.resources.linux, pids=job.options.resources.pids),
        )
        if compiled is None:
            answers = Answers(images=images, remote=remote, worker=worker, cache=job.state.cache)
            compiled = await complete(job.compiling, answers, job.display.display)
            check_outputs(job.options, compiled)
            check_attestations(job)
            check_entitlements([result.definition for result in compiled.results], job.options.allowed)
        caches.empty_first(unwanted_caches(result.definition for result in compiled.results))
        if _wants_caches(job, plan):
            await _import_caches(job, images, worker)
            plan = None
        flights = await run_blocking(Flights, job.state.root / "locks" / "results")
        stack.callback(flights.close)
        plan = plan or await _plan(job, compiled, worker)
        worker.only_exported(only_exported(job.options, plan.graph))
        slots = None
        if plan.runs_processes or job.options.attestations.scanner_image:
            slots = await run_blocking(_slots, job)
            if slots is not None:
                stack.callback(slots.close)
            await stack.enter_async_context(executor)
            isolated = job.options.confinement.isolation != "chroot"  # else more is said already
            if plan.runs_on_the_default_network and not network and isolated:
                _note(job, f"steps use the network of this machine; {missing_network()}")
        return await _perform(job, compiled, plan, worker, flights, replace(_limits(job), shared=slots))


def _note(job: Build, text: str) -> None:
    """A line of its own on the display."""
    with phase(f"[internal] {text}", job.display.display):
        pass


async def _perform(
    job: Build, compiled: Compiled, plan: Plan, worker: LocalWorker, flights: Flights, limits: Limits
) -> BuildResult:
    """Everything after the plan. Raises an error that has LostLayerError in it when a stored result is none."""
    refs = await execute(
        plan,
        worker,
        job.state.cache,
        job.display.display,
        limits,
        flights=flights,
        explain=job.display.explains,
    )
    results = result_refs(compiled, plan, refs.__getitem__)
    result = await export_result(job, compiled, plan, results, worker)
    if any(not target.inline for target in job.options.cache_to):
        from .cache.export import export_caches

        await export_caches(job, plan, results, worker)
    return result


def _wants_caches(job: Build, plan: Plan | None) -> bool:
    """Whether to import what was asked for: not when nothing is missing, unless it is handed on in an export."""
    if plan is not None and plan.complete and not any(target.mounts for target in job.options.cache_to):
        return False
    return bool(job.options.cache_from)


async def _import_caches(job: Build, images: ImageSource, worker: LocalWorker) -> None:
    from .cache.import_ import import_caches

    await import_caches(job, images, worker)


def _load_packers() -> None:
    """Import what export will need, while the processes run that it waits for."""
    from ..worker.layer import load_packers

    load_packers()


def _sweep(state: State) -> None:
    """Remove what builds that were killed left half-made."""
    state.layers.sweep()
    state.content.sweep()


async def _tidy(job: Build) -> None:
    """Delete what steps left, beside the next ones rather than before them."""
    while True:
        await anyio.sleep(_TIDY_S)
        await run_blocking(job.state.layers.tidy)


async def _tick(job: Build) -> None:
    """Clocks on the display go on while processes are silent."""
    while True:
        await anyio.sleep(_REFRESH_S)
        job.display.refresh()


async def _plan(job: Build, compiled: Compiled, worker: LocalWorker) -> Plan:
    definitions = [result.definition for result in compiled.results]
    graph, sources, unknown = unresolved_sources(definitions, worker)
    sources.update(await resolve_sources(unknown, worker, watch=partial(_resolving, job)))
    plan = await run_blocking(make_plan, graph, sources, worker, job.state.cache)
    await run_blocking(worker.contexts.remember)
    return plan


def _agents(job: Build) -> tuple[AgentSource, ...]:
    """What `--ssh` names; without it, a context behind ssh is reached with the agent at hand: as in docker."""
    url = job.compiling.given.request.option("context") or ""
    if job.options.agents or not is_ssh(url):
        return job.options.agents
    return (AgentSource(id="default"),)


def _resolving(job: Build, op: SourceOp) -> AbstractContextManager[EventReporter]:
    return phase(f"[internal] resolve {redacted(op.identifier)}", job.display.display)


def _slots(job: Build) -> Slots | None:
    """For the steps of all builds of the state folder; None: they are not counted."""
    limit = job.options.shared_parallelism
    if limit == 0:
        return None
    return Slots(job.state.root / "locks" / "steps", default_slots() if limit is None else limit)


def _limits(job: Build) -> Limits:
    config, limits = job.options.globals.config.build, Limits()
    return replace(
        limits,
        execs=job.options.max_parallelism or limits.execs,
        disk=config.max_copies or limits.disk,
        transfers=config.max_transfers or limits.transfers,
        keep_going=job.options.keep_going,
    )
