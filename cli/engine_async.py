"""The second gear of a build: ask registries, run what must run, pack layers, export. With an event loop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import LlbuildError
from ..solver import (
    RETRY_DELAYS_S,
    Flights,
    Limits,
    execute,
    make_plan,
    resolve_sources,
    retrying,
    unresolved_sources,
)
from ..values import replace
from ..worker import CacheMounts, LocalWorker
from ..worker.executor import SandboxExecutor
from ..worker.source import ImageSource
from .compiling_async import complete
from .exports import export_image, export_tree, image_outputs, tree_outputs
from .job import BuildResult
from .phases import phase

if TYPE_CHECKING:
    from ..frontend import Compiled
    from ..solver import Plan, Ref
    from ..worker.executor import HelperProcess
    from .job import Build
    from .state import State

__all__ = ["run_build"]

_REFRESH_S = 0.1


def run_build(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    """Do what is left of a build. `compiled`, `plan` and the sandbox's `helper`: how far the first gear got."""
    return anyio.run(_build, job, compiled, plan, helper)


async def _build(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    """Work, with the display's clock beside it."""
    failure: LlbuildError | None = None
    result = BuildResult()
    async with anyio.create_task_group() as group:
        group.start_soon(_tick, job)
        try:
            if image_outputs(job.options):
                group.start_soon(run_blocking, _load_packers)
            result = await _work(job, compiled, plan, helper)
        except LlbuildError as error:  # kept out of the group, which would wrap it
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result


async def _work(job: Build, compiled: Compiled | None, plan: Plan | None, helper: HelperProcess | None) -> BuildResult:
    async with AsyncExitStack() as stack:
        config = job.options.globals.config
        images = await stack.enter_async_context(ImageSource(job.state.content, plain_http=config.plain_http))
        if compiled is None:
            compiled = await complete(job.compiling, images, job.display.display)
        await run_blocking(_sweep, job.state)
        executor = _executor(job, helper)
        worker = _worker(job, images, executor)
        if _wants_caches(job, plan):
            await _import_caches(job, images, worker)
            plan = None
        flights = await run_blocking(Flights, job.state.root / "locks" / "results")
        stack.callback(flights.close)
        plan = plan or await _plan(job, compiled, worker)
        if plan.runs_processes:
            await stack.enter_async_context(executor)
        return await _perform(job, compiled, plan, worker, flights)


def _worker(job: Build, images: ImageSource, executor: SandboxExecutor) -> LocalWorker:
    state = job.state
    mounts = CacheMounts(state.cache_mounts, uses=state.uses, layers=state.layers, content=state.content, images=images)
    return LocalWorker(job.prober, images=images, executor=executor, mounts=mounts)


def _executor(job: Build, helper: HelperProcess | None) -> SandboxExecutor:
    if not job.options.oci_runtime:
        return SandboxExecutor(job.state.root, helper=helper, seccomp=job.options.seccomp)
    from ..worker.oci import OciExecutor, find_runtime

    return OciExecutor(job.state.root, find_runtime(job.options.oci_runtime), seccomp=job.options.seccomp)


async def _perform(job: Build, compiled: Compiled, plan: Plan, worker: LocalWorker, flights: Flights) -> BuildResult:
    """Everything after the plan. Raises an error that has LostLayerError in it when a stored result is none."""
    refs = await execute(
        plan,
        worker,
        job.state.cache,
        job.display.display,
        _limits(job),
        flights=flights,
        explain=job.display.explains,
    )
    root: Ref = refs[plan.graph.roots[0]] if plan.graph.roots else ()
    result = await _export(job, compiled, plan, root, worker)
    if any(not target.inline for target in job.options.cache_to):
        from .cache_export import export_caches

        await export_caches(job, plan, root, worker)
    return result


def _wants_caches(job: Build, plan: Plan | None) -> bool:
    """Whether to import what was asked for: not when nothing is missing, unless it is handed on in an export."""
    if plan is not None and plan.complete and not any(target.mounts for target in job.options.cache_to):
        return False
    return bool(job.options.cache_from)


async def _import_caches(job: Build, images: ImageSource, worker: LocalWorker) -> None:
    from .cache_import import import_caches

    await import_caches(job, images, worker)


def _load_packers() -> None:
    """Import what export will need, while the processes run that it waits for."""
    from ..worker.layer import load_packers

    load_packers()


def _sweep(state: State) -> None:
    """Remove what builds that were killed left half-made."""
    state.layers.sweep()
    state.content.sweep()


async def _tick(job: Build) -> None:
    """Clocks on the display go on while processes are silent."""
    while True:
        await anyio.sleep(_REFRESH_S)
        job.display.refresh()


async def _plan(job: Build, compiled: Compiled, worker: LocalWorker) -> Plan:
    definitions = [result.definition for result in compiled.results]
    graph, sources, unknown = unresolved_sources(definitions, worker)
    sources.update(await resolve_sources(unknown, worker))
    plan = await run_blocking(make_plan, graph, sources, worker, job.state.cache)
    await run_blocking(worker.contexts.remember)
    return plan


def _limits(job: Build) -> Limits:
    limits = Limits(keep_going=job.options.keep_going)
    return replace(limits, execs=job.options.max_parallelism) if job.options.max_parallelism else limits


async def _export(job: Build, compiled: Compiled, plan: Plan, root: Ref, worker: LocalWorker) -> BuildResult:
    result = BuildResult()
    emit = job.display.display
    if image_outputs(job.options):
        with phase("exporting image", emit) as reporter:
            layers = await retrying(
                partial(worker.blobs, root, reporter),
                RETRY_DELAYS_S,
                lambda words: reporter.log(2, f"{words}\n".encode()),
            )
            if tree_outputs(job.options):
                await worker.tree(root, reporter)  # what is lost must be found before anything is written
            inline = await run_blocking(job.inline_cache, plan, root, layers)
            config, content = compiled.results[0].image, job.state.content
            image = await run_blocking(export_image, config, layers, job.options, content, inline)
        result = BuildResult(
            manifest=image.manifest_descriptor,
            config_digest=image.config_descriptor.digest,
            names=job.options.tags,
        )
    for output in tree_outputs(job.options):
        with phase(f"exporting files to {output.dest}", emit) as reporter:
            await run_blocking(export_tree, await worker.tree(root, reporter), output)
    return result
