"""The one door from the commands to the engine: each function here does one command's work.

A build runs in two gears. The first is synchronous: compile, plan, and if every result is stored and
every layer packed, write the image. Only a build with something left to do starts an event loop.
Nothing is printed here; what the commands need to know of a failed build is left in `BuildView`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..frontend import MoreNeeded
from ..solver import make_plan, unresolved_sources
from ..values import frozen
from ..worker import Contexts, Prober
from .exports import export_image, image_outputs, tree_outputs
from .lookup import KnownLookup
from .phases import phase
from .request import build_input
from .state import open_state

if TYPE_CHECKING:
    from ..digest import Digest
    from ..frontend import BuildWarning, Compiled, PlatformResult
    from ..image import Descriptor, LayerBlob
    from ..llb import Definition
    from ..solver import Plan, Ref
    from .import_ import ImportOptions
    from .options import BuildOptions
    from .progress import Display
    from .request import BuildInput
    from .run import RunOptions
    from .state import State

__all__ = ["BuildResult", "BuildView", "build", "import_rootfs", "run_image"]


@frozen
class BuildResult:
    """A finished build. `manifest` is None when only a filesystem was exported."""

    manifest: Descriptor | None = None
    config_digest: Digest | None = None
    names: tuple[str, ...] = ()  # canonical, under which the store now knows the image


class BuildView:
    """What becomes known while a build goes on, and is needed to report its failure or its warnings."""

    __slots__ = ("definition", "sources", "warnings")

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}  # build files, path -> text
        self.definition: Definition | None = None
        self.warnings: tuple[BuildWarning, ...] = ()


@frozen
class Build:
    """One build under way: what was asked, where its state is, who watches."""

    options: BuildOptions
    input: BuildInput
    state: State
    prober: Prober
    lookup: KnownLookup
    display: Display
    view: BuildView

    def compile(self) -> Compiled | None:
        """Compile with what is known; None when more must be looked up first."""
        try:
            compiled = self.input.frontend.compile(self.input.request, self.lookup)
        except MoreNeeded:
            return None
        finally:
            self.view.sources = {path: data.decode("utf-8", "replace") for path, data in self.lookup.read.items()}
        self.view.definition = compiled.results[0].definition
        self.view.warnings = compiled.warnings
        return compiled


def build(options: BuildOptions, *, display: Display, view: BuildView) -> BuildResult:
    """Compile, solve and export. Raises LlbuildError."""
    given = build_input(options)
    state = open_state(options.globals.root)
    contexts = Contexts(given.folders)
    prober = Prober(layers=state.layers, content=state.content, records=state.records, contexts=contexts)
    lookup = KnownLookup(state.content, given.folders, mode=given.mode, stdin=given.stdin)
    job = Build(options=options, input=given, state=state, prober=prober, lookup=lookup, display=display, view=view)
    compiled = job.compile()
    plan = None if compiled is None else _plan(job, compiled)
    if compiled is not None and plan is not None and plan.complete:
        layers = _ready_layers(job, plan)
        if layers is not None:
            plan.announce(display.display, time.time())
            return _export(job, compiled.results[0], layers)
    from .engine_async import run_build

    return run_build(job, compiled, plan)


def _plan(job: Build, compiled: Compiled) -> Plan | None:
    """The plan, when every source can be named without asking anyone."""
    graph, sources, unknown = unresolved_sources([result.definition for result in compiled.results], job.prober)
    return None if unknown else make_plan(graph, sources, job.prober, job.state.cache)


def _ready_layers(job: Build, plan: Plan) -> tuple[LayerBlob, ...] | None:
    """The result's layers as blobs if all are packed, and nothing but images is wanted of it."""
    if tree_outputs(job.options):
        return None
    ref: Ref = plan.ref(plan.graph.roots[0]) if plan.graph.roots else ()
    return job.prober.ready_blobs(ref)


def _export(job: Build, result: PlatformResult, layers: tuple[LayerBlob, ...]) -> BuildResult:
    if not image_outputs(job.options):
        return BuildResult()
    with phase("exporting image", job.display.display):
        image = export_image(result.image, layers, job.options, job.state.content)
    return BuildResult(
        manifest=image.manifest_descriptor, config_digest=image.config_descriptor.digest, names=job.options.tags
    )


def run_image(options: RunOptions) -> int:
    """Run a command in an image; returns its exit code (128 + n when signal n ended it)."""
    from .container import run_container

    return run_container(options)


def import_rootfs(options: ImportOptions) -> Descriptor:
    """Make an image of a folder or tar with a root filesystem; returns its manifest."""
    from ..exporter import import_rootfs as import_image
    from ..image import parse_reference

    state = open_state(options.globals.root)
    return import_image(options.source, parse_reference(options.name), options.platform, state.content)
