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
from ..solver import check_entitlements, make_plan, unresolved_sources
from ..values import replace
from .compiling import open_compiling
from .exports import (
    PlatformLayers,
    all_names,
    check_outputs,
    image_outputs,
    image_result,
    outputs_of,
    put_together,
    write_image,
)
from .gc import collect_if_due
from .job import Build, BuildResult
from .outputs import OutputKind
from .phases import phase
from .record import remember_build
from .state import open_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..exporter import AssembledImage, AssembledIndex
    from ..frontend import Compiled
    from ..llb import Edge
    from ..solver import Plan, Ref
    from ..worker.executor import HelperProcess
    from .image_options import ImageOptions
    from .job import BuildView
    from .lock import Lock
    from .outputs import Output
    from .progress import Display
    from .request import BuildInput
    from .solve_options import SolveOptions
    from .state import State

__all__ = ["build", "check_attestations", "result_refs"]


def build(options: SolveOptions, given: BuildInput, *, display: Display, view: BuildView) -> BuildResult:
    """Compile, solve, export, leave a record in the build history, and clean up when that is due. Raises LlbuildError.

    What turns out to be lost or damaged on the way is a miss: said so, and made anew.
    """
    started = time.time()
    lock = _lock(options, given)
    job = _begin(options, given, open_state(options.globals.root), display, view, lock, started)
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
    if options.metadata_file:
        from .attest.witness import metadata_provenance

        result = replace(result, provenance=tuple(metadata_provenance(job)))
    if lock is not None:
        lock.add(job.prober.pins.used)
    result = replace(result, number=remember_build(job, started, result=result))
    collect_if_due(job.state, options.globals.config.gc, display.display)
    return result


def check_attestations(job: Build) -> None:
    """Refuse before the work what could not be said after it. Raises SourceError."""
    if job.options.attestations.complete_materials:
        from .attest.witness import check_materials

        check_materials(job)


def _lock(options: SolveOptions, given: BuildInput) -> Lock | None:
    """The lock file that was asked for, read."""
    if not (options.lock or options.locked):
        return None
    from .lock import lock_path, open_lock

    return open_lock(lock_path(options.lock, given.context), only=options.locked)


def _begin(
    options: SolveOptions,
    given: BuildInput,
    state: State,
    display: Display,
    view: BuildView,
    lock: Lock | None,
    started: float,
) -> Build:
    compiling, prober = open_compiling(given, state, view, None if lock is None else lock.pins())
    return Build(
        options=options,
        compiling=compiling,
        state=state,
        prober=prober,
        display=display,
        started=started,
        invocation=os.urandom(16).hex(),
    )


def _run(job: Build) -> BuildResult:
    compiled = job.compiling.attempt()
    if compiled is not None:
        check_entitlements([result.definition for result in compiled.results], job.options.allowed)
        check_outputs(job.options, compiled)
        check_attestations(job)
    plan = None if compiled is None else _plan(job, compiled)
    exports_cache = any(not target.inline for target in job.options.cache_to)
    if compiled is not None and plan is not None and plan.complete and not exports_cache:
        parts = _ready_parts(job, compiled, plan)
        if parts is not None:
            plan.announce(job.display.display, time.time())
            return _export(job, parts)
    helper = _start_early(job, plan)
    if plan is None or plan.runs_processes or job.options.attestations.scanner_image:
        job = _with_snapshotter(job)
    from .engine_async import run_build

    return run_build(job, compiled, plan, helper)


def _start_early(job: Build, plan: Plan | None) -> HelperProcess | None:
    """Let the sandbox's helper get ready while this process imports its event loop: 40 ms of a cold build.

    None while it is not known whether a process has to run at all.
    """
    if os.geteuid() != 0:
        from ..worker import enter_user_namespace

        enter_user_namespace(job.state.folder)  # before there is a second thread: the kernel insists
    if plan is None or not plan.runs_processes or job.options.cache_from:
        return None
    from .executors import start_early

    return start_early(job.state.root, job.options.confinement, shared_network=plan.runs_on_the_default_network)


def _with_snapshotter(job: Build) -> Build:
    """The same build with the snapshotter that it will use: it may have to be tried out, before there are threads."""
    if job.options.confinement.isolation == "chroot":
        return replace(job, options=replace(job.options, snapshotter="native"))
    if job.options.snapshotter:
        return job
    from ..worker.snapshotter import choose

    return replace(job, options=replace(job.options, snapshotter=choose(job.state.folder)))


def _plan(job: Build, compiled: Compiled) -> Plan | None:
    """The plan, when every source can be named without asking anyone."""
    graph, sources, unknown = unresolved_sources([result.definition for result in compiled.results], job.prober)
    if unknown:
        return None
    plan = make_plan(graph, sources, job.prober, job.state.cache)
    job.prober.contexts.remember()
    return plan


def _ready_parts(job: Build, compiled: Compiled, plan: Plan) -> list[PlatformLayers] | None:
    """The results with their layers as blobs, if all are packed, and nothing but images in files is wanted of them."""
    if job.options.attestations.scanner_image or not all(_is_quick(output) for output in outputs_of(job.options)):
        return None
    parts = []
    for result, ref in zip(compiled.results, result_refs(compiled, plan, plan.ref), strict=True):
        layers = job.prober.ready_blobs(ref)
        if layers is None:
            return None
        inline = job.inline_cache(plan, ref, layers)
        parts.append(PlatformLayers(result=result, layers=layers, inline_cache=inline))
    return _attested(job, compiled, plan, parts) if job.options.attestations else parts


def _attested(
    job: Build, compiled: Compiled, plan: Plan, parts: Sequence[PlatformLayers]
) -> list[PlatformLayers] | None:
    """With what is said of them; None where somebody must look into the files for that."""
    from .attest.witness import Witness

    refs = result_refs(compiled, plan, plan.ref)
    witness = Witness(job, compiled, plan, refs)
    for number, title in witness.unseen:
        # files of other users can be read once this process is root in a namespace of its own
        tree = job.prober.stored_tree(refs[number]) if os.geteuid() == 0 else None
        if tree is None:
            return None
        with phase(title, job.display.display):
            witness.look(number, tree)
    return [
        replace(part, predicates=witness.say(number, dict(zip(ref, part.layers, strict=True))))
        for number, (part, ref) in enumerate(zip(parts, refs, strict=True))
    ]


def _is_quick(output: Output) -> bool:
    """Whether the output is written from layers as they are."""
    if output.kind is OutputKind.NOTHING:
        return True
    plain = output.is_image and output.image.plain_layers
    return plain and not output.push and not output.unpack and output.kind is not OutputKind.ENGINE


def result_refs(compiled: Compiled, plan: Plan, ref_of: Callable[[Edge], Ref]) -> list[Ref]:
    """What each platform's definition came to; an empty one has no root, and no layers."""
    roots = iter(plan.graph.roots)
    return [() if result.definition.root is None else ref_of(next(roots)) for result in compiled.results]


def _export(job: Build, parts: Sequence[PlatformLayers]) -> BuildResult:
    outputs = image_outputs(job.options)
    if not outputs:
        return BuildResult()
    with phase("exporting image", job.display.display):
        images: dict[ImageOptions, AssembledImage | AssembledIndex] = {}
        for output in outputs:
            image = images.get(output.image)
            if image is None:
                image = images[output.image] = put_together(parts, output.image, all_names(job.options))
            write_image(image, output, job.options, job.state.content)
    return image_result(images[outputs[0].image], job.options)
