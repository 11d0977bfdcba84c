"""`--cache-to`: what this build knows, for the next one, on whatever machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ...blocking import run_blocking
from ...errors import ExportError, LlbuildError, LostLayerError, SourceError
from ...exporter import PushedBlob, assemble_cache, export_cache_folder, push_image
from ...image import RegistryPusher, parse_reference
from ...solver import RETRY_DELAYS_S, portable_records, retrying
from ...worker import LayerForm, cache_ids
from ...worker.layer import Compression
from ..exports import registries_of
from ..phases import phase
from ..pushing import registry_origin, supply_layers
from .specs import CacheKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ...digest import Digest
    from ...exporter import AssembledCache
    from ...image import LayerBlob, Reference
    from ...solver import EventReporter, Plan, Ref
    from ...worker import LocalWorker, PackedMount
    from ..job import Build
    from .specs import CacheTarget

    _T = TypeVar("_T")

__all__ = ["export_caches"]


async def export_caches(job: Build, plan: Plan, results: Sequence[Ref], worker: LocalWorker) -> None:
    """Write every cache that was asked for, but those inside images. Blobs are made once for all of them.

    results: of each platform. Raises ExportError, unless it is to be ignored.
    """
    passing: set[Digest] = set()  # blobs that nothing but these exports needs
    try:
        for target in job.options.cache_to:
            if target.inline:
                continue
            try:
                with phase(f"exporting cache to {target.place}", job.display.display) as reporter:
                    await _Export(job, plan, results, worker, target, reporter).write(passing)
            except LlbuildError as error:
                message = f"cannot export the cache to {target.place}: {error.message}"
                if not target.ignore_error:
                    raise ExportError(message, hint=error.hint) from error
                job.compiling.view.warn("CacheExportFailed", message)
    finally:
        for digest in passing:
            job.state.content.remove(digest)


class _Export:
    """One export. Says what it does to `reporter`."""

    def __init__(
        self,
        job: Build,
        plan: Plan,
        results: Sequence[Ref],
        worker: LocalWorker,
        target: CacheTarget,
        reporter: EventReporter,
    ) -> None:
        self._job = job
        self._plan = plan
        self._results = [frozenset(result) for result in results]
        self._worker = worker
        self._forms = worker.forms()
        self._target = target
        self._reporter = reporter
        self._form = LayerForm(compression=Compression(target.compression), level=target.level, force=target.force)
        registry = target.kind is CacheKind.REGISTRY
        self._reference: Reference | None = parse_reference(target.place) if registry else None

    async def write(self, passing: set[Digest]) -> None:
        """The whole of it. `passing` gets the digests of blobs that may go afterwards."""
        mounts = await self._mounts(passing) if self._target.mounts else []
        while True:
            records = await run_blocking(portable_records, self._plan, self._job.state.cache, self._wanted)
            layers = list(dict.fromkeys(layer for record in records.records for ref in record.refs for layer in ref))
            try:
                blobs = await self._attempt(partial(self._forms.blobs, layers, self._form, self._reporter.progress))
                described = [(mount.mount, mount.blob) for mount in mounts]
                cache = await run_blocking(assemble_cache, records, blobs, described)
                await self._place(cache, await run_blocking(self._supply, blobs, mounts))
            except LostLayerError as error:
                if error.layer in self._worker.lost:
                    raise
                # A result of some step that nothing of this build has read, and that is to be had no more.
                self._say(f"left out: {error.message}")
                self._worker.lost.add(error.layer)
            else:
                return

    def _wanted(self, ref: Ref) -> bool:
        within = self._target.everything or any(result.issuperset(ref) for result in self._results)
        return within and self._worker.lost.isdisjoint(ref) and self._worker.available(ref)

    async def _mounts(self, passing: set[Digest]) -> list[PackedMount]:
        """The contents of the build's cache mounts; those that can be had no more are left out."""
        mounts = []
        for mount in cache_ids(self._plan.graph.vertices.values()):
            found = await run_blocking(self._worker.mounts.pack, mount, self._form)
            if found is None:
                continue
            if found.seed is not None and not self._is_there(found.seed.origin):
                try:
                    await self._attempt(partial(self._worker.mounts.fetch, found.seed, self._reporter.progress))
                except SourceError as error:
                    self._say(f"left out: the contents of cache mount {mount}: {error.message}")
                    continue
            passing.add(found.mount.blob)
            mounts.append(found)
        return mounts

    def _is_there(self, origin: str) -> bool:
        """Whether what comes from there is in the target's repository already."""
        found = registry_origin(origin)
        wanted = self._reference
        return found is not None and wanted is not None and found.name == wanted.name

    def _supply(self, blobs: dict[str, LayerBlob], mounts: list[PackedMount]) -> dict[Digest, PushedBlob]:
        """How each blob is to be had."""
        supply = supply_layers(blobs, self._job.state.records, self._forms, self._reporter.progress)
        for mount in mounts:
            supply[mount.blob.digest] = PushedBlob(
                descriptor=mount.blob,
                fetch=None
                if mount.seed is None
                else partial(self._worker.mounts.fetch, mount.seed, self._reporter.progress),
            )
        return supply

    async def _place(self, cache: AssembledCache, supply: dict[Digest, PushedBlob]) -> None:
        content = self._job.state.content
        if self._reference is None:
            for blob in supply.values():
                here = await run_blocking(content.has, blob.descriptor.digest, blob.descriptor.size_bytes)
                if blob.fetch is not None and not here:
                    await self._attempt(blob.fetch)
            await run_blocking(export_cache_folder, cache, content, self._target.place, self._target.tag)
            return
        async with RegistryPusher(registries_of(self._job.options)) as registry:
            await push_image(
                registry,
                self._reference,
                [supply[blob.digest] for blob in cache.blobs],
                cache.documents,
                store=content,
                report=self._reporter.progress,
                attempt=self._attempt,
            )

    async def _attempt(self, call: Callable[[], Awaitable[_T]]) -> _T:
        return await retrying(call, RETRY_DELAYS_S, self._say)

    def _say(self, words: str) -> None:
        self._reporter.log(2, f"{words}\n".encode())
