"""Layers in the form that is needed: unpacked when something must read them, packed when something exports them.

Image layers are fetched and unpacked on demand only. Either direction happens once per layer, however
many vertices ask at the same time.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import StoreError
from ..image import Descriptor, LayerBlob
from .layer import Compression, extract_layer, pack_layer
from .records import LayerRecord, now
from .snapshot import LayerId, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import TypeAlias

    from ..digest import Digest
    from .content import ContentStore
    from .records import LayerRecords
    from .snapshot import LayerStore
    from .source import ImageSource

    Report: TypeAlias = "Callable[[str, int, int], None]"  # what, bytes so far, bytes in all

__all__ = ["Stacks", "image_layer_id"]


def image_layer_id(diff_id: Digest) -> LayerId:
    """The name of a layer that came with an image: the same in every image that has it."""
    return LayerId("sha256-" + diff_id.hex)


class Stacks:
    """Keeps layers ready. One per build; belongs to one event loop."""

    def __init__(
        self, *, layers: LayerStore, content: ContentStore, records: LayerRecords, images: ImageSource
    ) -> None:
        self._layers = layers
        self._content = content
        self._records = records
        self._images = images
        self._busy: dict[str, anyio.Lock] = {}

    async def unpacked(self, ref: Sequence[str], report: Report) -> Snapshot:
        """The layers as folders, fetching and unpacking what is not there yet."""
        missing = [layer for layer in ref if not self._layers.has(LayerId(layer))]
        if missing:
            known = await run_blocking(self._records.get, missing)
            async with anyio.create_task_group() as group:
                for layer in missing:
                    if layer not in known:
                        raise StoreError(f"layer {layer} is gone from the state folder", hint="build with --no-cache")
                    group.start_soon(self._unpack, known[layer], report)
        return Snapshot(tuple(LayerId(layer) for layer in ref))

    async def blobs(self, ref: Sequence[str], report: Report) -> tuple[LayerBlob, ...]:
        """The layers as blobs in the content store, bottom first, packing what was never packed."""
        known = await run_blocking(self._records.get, ref)
        blobs: dict[str, LayerBlob] = {}

        async def prepare(layer: str) -> None:
            blobs[layer] = await self._blob(known.get(layer) or LayerRecord(id=layer, created=now()), report)

        async with anyio.create_task_group() as group:
            for layer in set(ref):
                ready = self.ready_blob(known.get(layer))
                if ready is None:
                    group.start_soon(prepare, layer)
                else:
                    blobs[layer] = ready
        return tuple(blobs[layer] for layer in ref)

    def ready_blob(self, record: LayerRecord | None) -> LayerBlob | None:
        """The blob of a layer if it is in the content store already."""
        if record is None or record.blob is None or record.diff_id is None:
            return None
        if not self._content.has(record.blob.digest, record.blob.size_bytes):
            return None
        return LayerBlob(diff_id=record.diff_id, descriptor=record.blob, created=record.created)

    async def _unpack(self, record: LayerRecord, report: Report) -> None:
        async with self._once(record.id):
            if self._layers.has(LayerId(record.id)):
                return
            blob = await self._fetched(record, report)
            report(f"extracting {blob.digest.short}", 0, blob.size_bytes)
            await run_blocking(self._extract, record, blob)
            report(f"extracting {blob.digest.short}", blob.size_bytes, blob.size_bytes)

    def _extract(self, record: LayerRecord, blob: Descriptor) -> None:
        active = self._layers.begin()
        try:
            with self._content.open(blob.digest) as stream:
                extracted = extract_layer(stream, active.fs, userxattr=self._layers.userxattr)
            if record.diff_id is not None and extracted.diff_id != record.diff_id:
                raise StoreError(f"layer {blob.digest} unpacks to {extracted.diff_id}, its image says {record.diff_id}")
            self._layers.commit(active, LayerId(record.id))
        except BaseException:
            self._layers.discard(active)
            raise
        self._records.put(replace(record, unpacked_bytes=extracted.size_bytes))

    async def _fetched(self, record: LayerRecord, report: Report) -> Descriptor:
        assert record.blob is not None, f"image layer {record.id} without a blob"
        if not self._content.has(record.blob.digest, record.blob.size_bytes):
            await self._images.fetch_layer(record.origin, record.blob, report)
        return record.blob

    async def _blob(self, record: LayerRecord, report: Report) -> LayerBlob:
        async with self._once(record.id):
            known = (await run_blocking(self._records.get, [record.id])).get(record.id, record)
            ready = self.ready_blob(known)
            if ready is None and known.origin:
                await self._fetched(known, report)
                ready = self.ready_blob(known)
            if ready is None:
                ready = await run_blocking(self._pack, known)
            return ready

    def _pack(self, record: LayerRecord) -> LayerBlob:
        with self._content.ingest() as ingest:
            packed = pack_layer(self._layers.folder(LayerId(record.id)), ingest.write, Compression.GZIP)
            ingest.commit(packed.digest)
        blob = Descriptor(media_type=packed.media_type, digest=packed.digest, size_bytes=packed.size_bytes)
        self._records.put(replace(record, diff_id=packed.diff_id, blob=blob, unpacked_bytes=packed.unpacked_bytes))
        return LayerBlob(diff_id=packed.diff_id, descriptor=blob, created=record.created)

    @asynccontextmanager
    async def _once(self, layer: str) -> AsyncIterator[None]:
        async with self._busy.setdefault(layer, anyio.Lock()):
            yield
