"""`--cache-from`: what other builds know, taken into the cache store before a build is planned.

Manifests and configs only; a layer's blob is fetched when something reads or exports the layer. What cannot be imported
is a warning: a build does not need its cache.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...errors import LlbuildError
from ...image import parse_reference
from ...solver import RETRY_DELAYS_S, retrying
from ...worker import MountSeed, adopt_layers
from ...worker.source import load_folder_cache, load_registry_cache
from ..phases import phase
from .specs import CacheKind

if TYPE_CHECKING:
    from ...solver import EventReporter
    from ...worker import LocalWorker
    from ...worker.source import FoundCache, ImageSource
    from ..job import Build
    from .specs import CacheSource

__all__ = ["import_caches"]


async def import_caches(job: Build, images: ImageSource, worker: LocalWorker) -> None:
    """Read every cache that was asked for, all at once, and adopt them in their order."""
    sources = job.options.cache_from
    found: dict[CacheSource, FoundCache] = {}

    async def load(source: CacheSource) -> None:
        name = f"importing cache manifest from {source.place}"
        with phase(name, job.display.display) as reporter:
            try:
                found[source] = await _load(job, images, source, reporter)
            except LlbuildError as error:
                reporter.log(2, f"{error.message}\n".encode())
                job.compiling.view.warn(
                    "CacheImportFailed", f"nothing is imported from {source.place}: {error.message}"
                )

    async with anyio.create_task_group() as group:
        for source in sources:
            group.start_soon(load, source)
    for source in sources:
        if source in found:
            await run_blocking(_adopt, job, worker, found[source], source.mounts)


async def _load(job: Build, images: ImageSource, source: CacheSource, reporter: EventReporter) -> FoundCache:
    content, platform = job.state.content, job.compiling.given.request.platform
    if source.kind is CacheKind.LOCAL:
        cache, missing = await run_blocking(load_folder_cache, content, source.place, source.name, platform)
        if missing:
            words = f"{missing} blob{'s are' if missing > 1 else ' is'} missing or cut: what needs them is made anew"
            reporter.log(2, f"{source.place}: {words}\n".encode())
            job.compiling.view.warn("CacheIncomplete", f"{source.place}: {words}")
        return cache
    return await retrying(
        partial(load_registry_cache, images, content, parse_reference(source.place), platform),
        RETRY_DELAYS_S,
        lambda words: reporter.log(2, f"{words}\n".encode()),
    )


def _adopt(job: Build, worker: LocalWorker, found: FoundCache, mounts: bool) -> None:
    layers = adopt_layers(found, worker)
    usable = [record for record in found.config.records if all(layers.issuperset(ref) for ref in record.refs)]
    job.state.cache.adopt(usable, found.config.contents, worker.available)
    blobs = {blob.digest: blob for blob in found.blobs}
    for mount in found.config.mounts if mounts else ():
        if mount.blob in blobs:
            seed = MountSeed(origin=found.origin, blob=blobs[mount.blob], mount=mount)
            worker.mounts.seeds.setdefault(mount.id, seed)
