"""What is said of a build's results: provenance and package lists, put together from what the build knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import SourceError
from ...exporter.attest import BuildFacts, Mode, ProvenanceForm, local_names, make_provenance
from ...llb import Edge, SourceOp
from ...values import replace
from ...worker.source import materials_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...digest import Digest
    from ...exporter.attest import Predicate
    from ...frontend import Compiled
    from ...image import Descriptor, LayerBlob
    from ...llb import Definition, Vertex
    from ...solver import Plan, Ref
    from ...worker import LocalWorker
    from ...worker.snapshot import Tree
    from ...worker.source import Material
    from ..job import Build
    from .packages import PackageLists

__all__ = ["Witness", "check_materials", "metadata_provenance"]

_CLIENTS = ("context", "dockerfile")  # folders that a frontend looks into before there is a graph


class Witness:
    """Knows a build that is done, and says of each platform's result what was asked for."""

    def __init__(self, job: Build, compiled: Compiled, plan: Plan, layers: Sequence[Ref]) -> None:
        """layers: of each platform's result, by name."""
        self._job = job
        self._compiled = compiled
        self._plan = plan
        self._vcs: dict[str, str] = {}
        self._records: dict[Digest, tuple[Ref, ...]] = {}
        if job.options.attestations.provenance is not None:
            self._records = _all_refs(job, plan)
            self._vcs = _told_by_git(job)
        self._packages = None if job.options.attestations.sbom is None else _package_lists(job, layers)

    @property
    def unseen(self) -> list[tuple[int, str]]:
        """The results whose files must be looked at first, by number, and what that is called."""
        packages = self._packages
        return [] if packages is None else [(number, packages.title(number)) for number in packages.missing]

    def look(self, number: int, tree: Tree) -> None:
        """Look at the files of one of them. Raises ExportError when a plugin fails."""
        assert self._packages is not None, "only who lists packages looks"
        self._packages.look(number, tree)

    async def ask_image(self, number: int, title: str, worker: LocalWorker) -> None:
        """Have the scanner that is an image look at one of them. Raises LlbuildError."""
        from .scanner_image import scan_by_image

        assert self._packages is not None, "only who lists packages looks"
        definition = self._compiled.results[number].definition
        said = await scan_by_image(self._job, self._packages.image, definition, title, worker)
        self._packages.tell(number, said)

    def say(self, number: int, blobs: Mapping[str, LayerBlob]) -> tuple[Predicate, ...]:
        """What was asked for, of the platform of that number. `blobs`: of layers of the result, by name."""
        said = () if self._packages is None else self._packages.say(number, self._compiled.results[number].epoch_s)
        return (*said, *self._provenance(number, blobs))

    def _provenance(self, number: int, blobs: Mapping[str, LayerBlob]) -> tuple[Predicate, ...]:
        form = self._job.options.attestations.provenance
        if form is None:
            return ()
        definition = self._compiled.results[number].definition
        layers = {}
        if form.mode is Mode.MAX:
            layers = self._layers(definition, {name: blob.descriptor for name, blob in blobs.items()})
        facts = replace(_facts(self._job, definition, self._definitions, layers), vcs=self._vcs)
        return (make_provenance(facts, form),)

    @property
    def _definitions(self) -> list[Definition]:
        return [result.definition for result in self._compiled.results]

    def _layers(self, definition: Definition, known: Mapping[str, Descriptor]) -> dict[Edge, tuple[Descriptor, ...]]:
        """The blobs of every result that is made of layers of the image."""
        found = {}
        for vertex in definition.vertices:
            for output, ref in enumerate(self._records.get(vertex.digest, ())):
                if ref and all(name in known for name in ref):
                    found[Edge(vertex=vertex.digest, output=output)] = tuple(known[name] for name in ref)
        return found


def _package_lists(job: Build, layers: Sequence[Ref]) -> PackageLists:
    from .packages import PackageLists  # with all scanners

    return PackageLists(job, layers)


def check_materials(job: Build) -> None:
    """Raises SourceError where provenance was to name every source, and a folder of the client's is among them."""
    if not job.options.attestations.complete_materials:
        return
    folders = {name for definition in job.compiling.view.definitions for name in _folders(job, definition)}
    if folders:
        raise SourceError(
            f"complete-materials=true: what is in local folders ({', '.join(sorted(folders))}) cannot be told",
            ref=job.compiling.given.context,
            hint="build a git repository at a commit, or leave it out",
        )


def metadata_provenance(job: Build) -> list[tuple[str, dict[str, Any]]]:
    """For --metadata-file, whatever was asked for otherwise: the short form of each platform, by name."""
    asked = job.options.attestations.provenance or ProvenanceForm()
    form = replace(asked, mode=Mode.MIN)
    view = job.compiling.view
    return [
        (platform, make_provenance(_facts(job, definition, view.definitions, {}), form).document)
        for platform, definition in zip(view.platforms, view.definitions, strict=True)
    ]


def _facts(
    job: Build,
    definition: Definition,
    definitions: Iterable[Definition],
    layers: Mapping[Edge, Sequence[Descriptor]],
) -> BuildFacts:
    given = job.compiling.given
    read = given.frontend.name != "definition"
    return BuildFacts(
        frontend=given.frontend.name,
        options=given.request.options,
        build_file=next(iter(job.compiling.view.files), "") if read else "",
        materials=_materials(job, definition, definitions),
        folders=_folders(job, definition),
        definition=definition,
        builder=given.request.build_platform,
        started=job.started,
        finished=time.time(),
        invocation=job.invocation,
        layers=layers,
    )


def _folders(job: Build, definition: Definition) -> tuple[str, ...]:
    given = job.compiling.given
    looked_into = [name for name in _CLIENTS if name in given.folders and given.frontend.name != "definition"]
    return tuple(dict.fromkeys([*looked_into, *local_names(definition)]))


def _materials(job: Build, definition: Definition, definitions: Iterable[Definition]) -> tuple[Material, ...]:
    """What this platform took from elsewhere; what a frontend alone looked into counts for all platforms."""
    mine = {(vertex.op, vertex.platform) for vertex in _sources(definition)}
    others = {(vertex.op, vertex.platform) for one in definitions for vertex in _sources(one)} - mine
    return materials_of({source: words for source, words in job.prober.resolved.items() if source not in others})


def _sources(definition: Definition) -> Iterable[Vertex]:
    return (vertex for vertex in definition.vertices if isinstance(vertex.op, SourceOp))


def _told_by_git(job: Build) -> dict[str, str]:
    from ..vcs import told_by_git  # starts processes

    given = job.compiling.given
    return {} if given.frontend.name == "definition" else told_by_git(given.folders)


def _all_refs(job: Build, plan: Plan) -> dict[Digest, tuple[Ref, ...]]:
    """The stored results of all vertices that have one, those that nobody had to look up included."""
    keys = {digest: key for digest, key in plan.keys.items() if digest not in plan.hits}
    found = job.state.cache.find(set(keys.values()))
    stored = {digest: found[key].refs for digest, key in keys.items() if key in found}
    return stored | {digest: record.refs for digest, record in plan.hits.items()}
