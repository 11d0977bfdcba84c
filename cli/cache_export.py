"""`--cache-to`: what this build knows, for the next one, on whatever machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..blocking import run_blocking
from ..errors import ExportError, LlbuildError, LostLayerError, SourceError
from ..exporter import PushedBlob, assemble_cache, export_cache_folder, push_image
from ..image import RegistryPusher, parse_reference
from ..solver import RETRY_DELAYS_S, portable_records, retrying
from ..worker import LayerForm, cache_ids
from ..worker.layer import Compression
from .cache_import import warn
from .cache_specs import CacheKind
from .phases import phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..digest import Digest
    from ..exporter import AssembledCache
    from ..image import CacheMount, LayerBlob, Reference
    from ..solver import EventReporter, Plan, Ref
    from ..worker import LayerForms, LocalWorker
    from .cache_specs import CacheTarget
    from .job import Build

    _T = TypeVar("_T")
    Packed = tuple[CacheMount, LayerBlob]

__all__ = ["export_caches"]


async def export_caches(job: Build, plan: Plan, root: Ref, worker: LocalWorker) -> None:
    """Write every cache that was asked for, but those inside images. Blobs are made once for all of them.

    Raises ExportError, unless it is to be ignored.
    """
    packed: set[Digest] = set()  # blobs that only the exports need
    try:
        for target in job.options.cache_to:
            if target.inline:
                continue
            try:
                with phase(f"exporting cache to {target.place}", job.display.display) as reporter:
                    await _export(job, plan, root, worker, target, reporter, packed)
            except LlbuildError as error:
                message = f"cannot export the cache to {target.place}: {error.message}"
                if not target.ignore_error:
                    raise ExportError(message, hint=error.hint) from error
                warn(job, "CacheExportFailed", message)
    finally:
        for digest in packed:
            job.state.content.remove(digest)


async def _export(
    job: Build,
    plan: Plan,
    root: Ref,
    worker: LocalWorker,
    target: CacheTarget,
    reporter: EventReporter,
    packed: set[Digest],
) -> None:
    forms = worker.forms()
    form = LayerForm(compression=Compression(target.compression), level=target.level, force=target.force)
    mounts = await run_blocking(_pack_mounts, plan, worker, form, packed) if target.mounts else []

    def wanted(ref: Ref) -> bool:
        within = target.everything or set(root).issuperset(ref)
        return within and worker.lost.isdisjoint(ref) and worker.available(ref)

    while True:
        records = await run_blocking(portable_records, plan, job.state.cache, wanted)
        layers = list(dict.fromkeys(layer for record in records.records for ref in record.refs for layer in ref))
        try:
            blobs = await _attempt(partial(forms.blobs, layers, form, reporter.progress), reporter)
            cache = await run_blocking(assemble_cache, records, blobs, mounts)
            if target.kind is CacheKind.REGISTRY:
                await _push(job, cache, blobs, forms, parse_reference(target.place), reporter)
            else:
                far = await run_blocking(_far, job, blobs)
                await _attempt(partial(forms.fetch, far, reporter.progress), reporter)
                await run_blocking(export_cache_folder, cache, job.state.content, target.place, target.tag)
        except LostLayerError as error:
            if error.layer in worker.lost:
                raise
            # A result of some step that nothing of this build has read, and that is to be had no more.
            reporter.log(2, f"left out: {error.message}\n".encode())
            worker.lost.add(error.layer)
        else:
            return


def _pack_mounts(plan: Plan, worker: LocalWorker, form: LayerForm, packed: set[Digest]) -> list[Packed]:
    mounts = []
    for mount in cache_ids(plan.graph.vertices.values()):
        found = worker.mounts.pack(mount, form)
        if found is not None:
            packed.add(found.mount.blob)
            mounts.append((found.mount, found.blob))
    return mounts


def _far(job: Build, blobs: dict[str, LayerBlob]) -> list[str]:
    """The layers whose blobs are elsewhere yet."""
    has = job.state.content.has
    return [name for name, blob in blobs.items() if not has(blob.descriptor.digest, blob.descriptor.size_bytes)]


async def _push(
    job: Build,
    cache: AssembledCache,
    blobs: dict[str, LayerBlob],
    forms: LayerForms,
    reference: Reference,
    reporter: EventReporter,
) -> None:
    names = {blob.descriptor.digest: name for name, blob in blobs.items()}
    origins = await run_blocking(_origins, job, list(blobs), reference)
    pushed = []
    for blob in cache.blobs:
        name = names.get(blob.digest)
        fetch = None if name is None else partial(forms.fetch, [name], reporter.progress)
        pushed.append(PushedBlob(descriptor=blob, source=origins.get(name or ""), fetch=fetch))
    async with RegistryPusher() as registry:
        await push_image(
            registry,
            reference,
            pushed,
            cache.documents,
            store=job.state.content,
            report=reporter.progress,
            attempt=partial(_attempt, reporter=reporter),
        )


def _origins(job: Build, layers: Sequence[str], reference: Reference) -> dict[str, Reference]:
    """The repositories of the same registry that the layers came from: it need not be sent what it has."""
    found = {}
    for name, record in job.state.records.get(layers).items():
        scheme, _, text = record.origin.rpartition("://")
        if not text or scheme not in {"", "docker-image"}:
            continue
        try:
            origin = parse_reference(text)
        except SourceError:
            continue
        if origin.domain == reference.domain and origin.path != reference.path:
            found[name] = origin
    return found


async def _attempt(call: Callable[[], Awaitable[_T]], reporter: EventReporter) -> _T:
    return await retrying(call, RETRY_DELAYS_S, lambda words: reporter.log(2, f"{words}\n".encode()))
