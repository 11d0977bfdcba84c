"""A build, from options to result.

It runs in two gears. The first is synchronous: compile, plan, and if every result is stored and
every layer packed, write the image. Only a build with something left to do starts an event loop.
Nothing is printed here; what the commands need to know of a failed build is left in `BuildView`.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..solver import make_plan, unresolved_sources
from .compiling import Compiling
from .exports import export_image, image_outputs, tree_outputs
from .gc import collect_if_due
from .job import Build, BuildResult
from .lookup import KnownLookup, stored_images
from .phases import phase
from .record import remember_build
from .state import open_state

if TYPE_CHECKING:
    from ..frontend import Compiled, PlatformResult
    from ..image import LayerBlob
    from ..solver import Plan, Ref
    from ..worker.executor import HelperProcess
    from .job import BuildView
    from .progress import Display
    from .request import BuildInput
    from .solve_options import SolveOptions
    from .state import State

__all__ = ["build"]


def build(options: SolveOptions, given: BuildInput, *, display: Display, view: BuildView) -> BuildResult:
    """Compile, solve, export, leave a record in the build history, and clean up when that is due. Raises LlbuildError.

    What turns out to be lost or damaged on the way is a miss: said so, and made anew.
    """
    options.globals.config.check_registries()
    started = time.time()
    job = _begin(options, given, open_state(options.globals.root), display, view)
    losses: set[str] = set()
    try:
        while True:
            try:
                with job.state.leases.take():
                    result = _run(job)
                break
            except LlbuildError as error:
                from .lost import without_lost

                again = without_lost(job, error, losses)
                if again is None:
                    raise
                job = again
    except BaseException as error:
        remember_build(job, started, error=error)
        raise
    remember_build(job, started, result=result)
    collect_if_due(job.state, options.globals.config.gc, display.display)
    return result


def _begin(options: SolveOptions, given: BuildInput, state: State, display: Display, view: BuildView) -> Build:
    lookup = KnownLookup(stored_images(state.content, given.mode), given.folders, stdin=given.stdin)
    compiling = Compiling(given, lookup, view)
    return Build(options=options, compiling=compiling, state=state, prober=state.prober(given.folders), display=display)


def _run(job: Build) -> BuildResult:
    compiled = job.compiling.attempt()
    plan = None if compiled is None else _plan(job, compiled)
    exports_cache = any(not target.inline for target in job.options.cache_to)
    if compiled is not None and plan is not None and plan.complete and not exports_cache:
        layers = _ready_layers(job, plan)
        if layers is not None:
            plan.announce(job.display.display, time.time())
            return _export(job, compiled.results[0], plan, layers)
    helper = _start_early(job, plan)
    from .engine_async import run_build

    return run_build(job, compiled, plan, helper)


def _start_early(job: Build, plan: Plan | None) -> HelperProcess | None:
    """Let the sandbox's helper get ready while this process imports its event loop: 40 ms of a cold build.

    None while it is not known whether a process has to run at all.
    """
    if os.geteuid() != 0:
        from ..worker import enter_user_namespace

        enter_user_namespace()  # before there is a second thread: the kernel insists
    if plan is None or not plan.runs_processes or job.options.cache_from or job.options.oci_runtime:
        return None
    from ..worker.executor import start_helper
    from ..worker.seccomp import filter_program

    root = str(job.state.root)
    return start_helper(root, filter_program(root) if job.options.seccomp else b"")


def _plan(job: Build, compiled: Compiled) -> Plan | None:
    """The plan, when every source can be named without asking anyone."""
    graph, sources, unknown = unresolved_sources([result.definition for result in compiled.results], job.prober)
    if unknown:
        return None
    plan = make_plan(graph, sources, job.prober, job.state.cache)
    job.prober.contexts.remember()
    return plan


def _ready_layers(job: Build, plan: Plan) -> tuple[LayerBlob, ...] | None:
    """The result's layers as blobs if all are packed, and nothing but images is wanted of it."""
    if tree_outputs(job.options):
        return None
    return job.prober.ready_blobs(_result(plan))


def _result(plan: Plan) -> Ref:
    return plan.ref(plan.graph.roots[0]) if plan.graph.roots else ()


def _export(job: Build, result: PlatformResult, plan: Plan, layers: tuple[LayerBlob, ...]) -> BuildResult:
    if not image_outputs(job.options):
        return BuildResult()
    with phase("exporting image", job.display.display):
        inline = job.inline_cache(plan, _result(plan), layers)
        image = export_image(result.image, layers, job.options, job.state.content, inline)
    return BuildResult(
        manifest=image.manifest_descriptor, config_digest=image.config_descriptor.digest, names=job.options.tags
    )
