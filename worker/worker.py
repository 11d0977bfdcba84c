"""The worker of this machine: performs vertices on its own disk, with its own processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ..blocking import run_blocking
from ..errors import LlbuildError, SourceError
from ..llb import BuildOp, DiffOp, ExecOp, FileCopy, FileOp, FileStep, MergeOp, MountType, PassthroughOp, SourceOp
from ..platforms import host_platform
from ..reporting import SILENT, Reporter
from ..values import replace
from .cache_mounts import CacheMounts, cache_ids
from .client import NoClient
from .execop import ExecTools, run_exec_op
from .executor import CgroupSpec
from .fileop import run_file_op
from .filepack import plan_file_op
from .prober import REMOTE_SCHEMES, Prober, image_key, layer_limit
from .records import LayerRecord, now
from .selected import takes_all
from .snapshot import MergedTree, Snapshot, read_contents
from .snapshotter import OverlaySnapshotter
from .stacks import Stacks, note_image_layers
from .support import unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ..digest import Digest
    from ..image import LayerBlob
    from ..llb import LinuxResources, Vertex
    from ..platforms import Platform
    from .cacheholds import CacheHolds
    from .client import Client
    from .executor import Executor
    from .forms import LayerForms
    from .snapshot import Contents, FolderTree
    from .snapshotter import Snapshotter
    from .source import ImageSource, RemoteSources, ResolvedImage

    Ref: TypeAlias = tuple[str, ...]

__all__ = ["LocalWorker"]

_LOCAL = "local!"  # a ref to a client's folder: read where it stands, copied only when it must be mounted


class LocalWorker(Prober):
    """Performs vertices. See `solver.Worker` for what each method promises.

    One per build; belongs to one event loop.
    """

    def __init__(  # noqa: PLR0913  each is another part of the machine
        self,
        prober: Prober,
        *,
        images: ImageSource,
        remote: RemoteSources,
        executor: Executor,
        caches: CacheHolds,
        snapshotter: Snapshotter | None = None,
        client: Client | None = None,
        cgroup: CgroupSpec | None = None,
    ) -> None:
        """snapshotter: None: the kernel's overlayfs. cgroup: limits of every process.

        client: who is asked for secrets and ssh agents; None: there are none.
        """
        super().__init__(
            layers=prober.layers,
            content=prober.content,
            records=prober.records,
            contexts=prober.contexts,
            pins=prober.pins,
        )
        self.lost = prober.lost
        self.resolved = prober.resolved
        self._images = images
        self._remote = remote
        self._tools = ExecTools(
            layers=self.layers,
            snapshotter=snapshotter or OverlaySnapshotter(self.layers),
            caches=caches,
            executor=executor,
            client=client or NoClient(),
            cgroup=cgroup or CgroupSpec(),
        )
        self._stacks = Stacks(layers=self.layers, content=self.content, records=self.records, images=images)
        self._locals: dict[str, SourceOp] = {}
        self._only_exported: frozenset[Digest] = frozenset()
        self.mounts = CacheMounts(
            caches.root, uses=caches.uses, layers=self.layers, content=self.content, images=images
        )

    def only_exported(self, vertices: frozenset[Digest]) -> None:
        """Of these nothing is wanted but the layers' blobs, in the form in which they are packed anyway."""
        self._only_exported = vertices

    async def resolve(self, op: SourceOp, platform: Platform | None, reporter: Reporter) -> str:
        if op.scheme in REMOTE_SCHEMES:
            key = await self._remote.resolve(op, reporter.progress)
        else:
            wanted = platform or host_platform()
            image = await self._images.resolve(op.identifier, wanted, _mode(op))
            self.pins.note_image(op.identifier, image, wanted)
            key = image_key(image.digest, platform, layer_limit(op))
        self.resolved[op, platform] = key
        return key

    async def read_contents(self, ref: Ref, selection: tuple[FileCopy, ...]) -> Contents:
        tree = await self._tree(ref, SILENT)
        return await run_blocking(read_contents, tree, selection)

    async def perform(
        self, vertex: Vertex, inputs: tuple[Ref, ...], reporter: Reporter, resources: LinuxResources | None = None
    ) -> tuple[Ref, ...]:
        feature = unsupported(vertex.op)
        if feature:
            raise LlbuildError(f"{feature} is not supported yet")
        match vertex.op:
            case SourceOp():
                return (await self._source(vertex, vertex.op, reporter),)
            case FileOp():
                return await self._file(vertex, vertex.op, inputs, reporter)
            case ExecOp():
                return await self._exec(vertex, inputs, reporter, resources)
            case MergeOp(inputs=numbers):
                return (_merged([await self._mounted(inputs[number]) for number in numbers]),)
            case DiffOp(lower=lower, upper=upper):
                return (_difference(*(inputs[number] if number >= 0 else () for number in (lower, upper))),)
            case PassthroughOp(outputs=outputs):
                return tuple(inputs[number] for number in outputs)
            case BuildOp():
                raise AssertionError("it was refused")
            case other:
                assert_never(other)

    async def blobs(self, ref: Ref, reporter: Reporter) -> tuple[LayerBlob, ...]:
        """The layers of a result as blobs in the content store, bottom first: what an exporter needs."""
        return await self._stacks.blobs(await self._mounted(ref), reporter.progress)

    def forms(self) -> LayerForms:
        """The layers of results as blobs of any compression: what a cache exporter needs."""
        from .forms import LayerForms  # with what packs layers: only for who exports them

        return LayerForms(layers=self.layers, content=self.content, records=self.records, stacks=self._stacks)

    async def image(self, identifier: str, platform: Platform, mode: str) -> ResolvedImage:
        """What an image is. mode: BuildKit's image.resolvemode. Raises SourceError."""
        return await self._images.resolve(identifier, platform, mode)

    async def layered(self, ref: Ref) -> Ref:
        """The result in layers, which a client's folder is not before it is copied into one."""
        return await self._mounted(ref)

    async def tree(self, ref: Ref, reporter: Reporter) -> MergedTree:
        """The files of a result, for reading."""
        return self.layers.tree((await self._unpacked(ref, reporter)).layers)

    async def _source(self, vertex: Vertex, op: SourceOp, reporter: Reporter) -> Ref:
        if op.scheme == "local":
            name = _LOCAL + vertex.digest
            self._locals[name] = op
            return (name,)
        if op.scheme in REMOTE_SCHEMES:
            layer = await self._remote.fetch(op, reporter.progress)
            self._stacks.seen([layer])
            return (layer,)
        wanted = vertex.platform or host_platform()
        try:
            resolved = await self._images.resolve(self.pins.image(op.identifier, wanted), wanted, _mode(op))
        except SourceError as error:
            self.pins.explain_image(error, op.identifier, wanted)
            raise
        ref = await run_blocking(note_image_layers, self.records, self.layers, op.identifier, resolved)
        self.lost.difference_update(ref)  # there is a place to have them from again
        return ref[: layer_limit(op) or None]

    async def _file(self, vertex: Vertex, op: FileOp, inputs: Sequence[Ref], reporter: Reporter) -> tuple[Ref, ...]:
        sources: list[Snapshot | FolderTree] = []
        for number, ref in enumerate(inputs):
            copies = (step.action for step in op.steps if step.secondary_input == number)
            whole = takes_all(copy for copy in copies if isinstance(copy, FileCopy))
            tree = self._local_tree(ref, whole=whole)
            sources.append(await self._unpacked(ref, reporter) if tree is None else tree)
        if vertex.digest in self._only_exported:
            packed = await run_blocking(self._pack_file_op, op, sources)
            if packed is not None:
                return (packed,)
        made = await run_blocking(self._run_file_op, op, sources)
        return tuple(snapshot.layers for snapshot in made)

    def _pack_file_op(self, op: FileOp, inputs: Sequence[Snapshot | FolderTree]) -> Ref | None:
        """The result as a blob only; None where it takes a folder."""
        planned = plan_file_op(op, inputs, self.layers)
        if planned is None:
            return None
        base, layer = planned
        name = self._stacks.pack_planned(layer)
        return None if name is None else (*base.layers, name)

    def _run_file_op(self, op: FileOp, inputs: Sequence[Snapshot | FolderTree]) -> tuple[Snapshot, ...]:
        made = run_file_op(op, inputs, self.layers)
        self._note_made(made)
        return made

    async def _exec(
        self, vertex: Vertex, inputs: Sequence[Ref], reporter: Reporter, resources: LinuxResources | None
    ) -> tuple[Ref, ...]:
        assert isinstance(vertex.op, ExecOp)
        for name in cache_ids([vertex]):
            if failure := await self.mounts.prepare(name, reporter.progress):
                reporter.log(2, f"{failure}\n".encode())
        snapshots = [await self._unpacked(ref, reporter) for ref in inputs]
        contents = {
            number: await self._identity(inputs[mount.input], mount.selector)
            for number, mount in enumerate(vertex.op.mounts)
            if mount.mount_type is MountType.CACHE and mount.input >= 0
        }
        tools = self._tools
        if resources is not None:
            tools = replace(tools, cgroup=replace(tools.cgroup, resources=resources))
        made = await run_exec_op(vertex, snapshots, contents, tools=tools, reporter=reporter, committed=self._note_made)
        return tuple(snapshot.layers for snapshot in made)

    async def _identity(self, ref: Ref, path: str) -> str:
        """What tells results apart of which `path` is read: layers are what they are, a client's folder may change."""
        if self._local_tree(ref) is None:
            return " ".join(ref)
        return (await self.read_contents(ref, (FileCopy(src=path or "/", dest="/"),))).digest

    def _note_made(self, snapshots: Sequence[Snapshot]) -> None:
        """Write down the new layers: each result's topmost, unless its base was handed on unchanged."""
        tops = {snapshot.layers[-1] for snapshot in snapshots if snapshot.layers}
        known = self.records.get(tops)
        for layer in tops:
            if layer not in known:
                self.records.put(LayerRecord(id=layer, created=now()))
        self._stacks.seen(tops)

    def _local_tree(self, ref: Ref, *, whole: bool = False) -> FolderTree | None:
        op = self._locals.get(ref[0]) if len(ref) == 1 else None
        return None if op is None else self.contexts.tree(op, whole=whole)

    async def _mounted(self, ref: Ref) -> Ref:
        """The ref in layers: a client's folder is copied into one."""
        tree = self._local_tree(ref, whole=True)
        if tree is None:
            return ref
        copy = FileCopy(src="/", dest="/", dir_copy_contents=True)
        op = FileOp(steps=(FileStep(action=copy, secondary_input=0, output=0),))
        (snapshot,) = await run_blocking(self._run_file_op, op, [tree])
        return snapshot.layers

    async def _unpacked(self, ref: Ref, reporter: Reporter) -> Snapshot:
        return await self._stacks.unpacked(await self._mounted(ref), reporter.progress)

    async def _tree(self, ref: Ref, reporter: Reporter) -> MergedTree | FolderTree:
        tree = self._local_tree(ref)
        return self.layers.tree((await self._unpacked(ref, reporter)).layers) if tree is None else tree


def _mode(op: SourceOp) -> str:
    return op.attr("image.resolvemode") or "default"


def _merged(refs: Sequence[Ref]) -> Ref:
    """The layers of all, later ones on top. A layer met twice counts where it lies highest: below, it shows nothing."""
    merged: list[str] = []
    for ref in refs:
        for layer in ref:
            if layer in merged:
                merged.remove(layer)
            merged.append(layer)
    return tuple(merged)


def _difference(lower: Ref, upper: Ref) -> Ref:
    """The layers `upper` has on top of `lower`."""
    if upper[: len(lower)] != lower:
        raise LlbuildError(
            "the difference of two filesystems of which one is not built on the other is not supported yet"
        )
    return upper[len(lower) :]
