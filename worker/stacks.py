"""Layers in the form that is needed: unpacked when something must read them, packed when something exports them.

Image layers are fetched and unpacked on demand only. Either direction happens once per layer, however
many vertices ask at the same time.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..errors import CorruptError, LostLayerError, SourceError, raise_first
from ..image import Descriptor, LayerBlob
from ..log import log
from ..values import replace
from .records import LayerRecord, now, ready_blob
from .snapshot import LayerId, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from typing import Any, TypeAlias

    from ..digest import Digest
    from .content import ContentStore
    from .layer import PlannedLayer
    from .records import LayerRecords
    from .snapshot import LayerStore
    from .source import ImageSource, ResolvedImage

    Report: TypeAlias = "Callable[[str, int, int], None]"  # what, bytes so far, bytes in all

__all__ = ["Stacks", "image_layer_id", "note_image_layers"]

# Most layers are tiny, and handing each to a thread of its own costs more than packing it (three times as long for 50).
_PACKERS = os.cpu_count() or 1
# Each layer that is unpacked takes some 10 MiB of buffers, and creating files holds the GIL most of the time: more at
# once than this is no faster, and an image may have a hundred layers.
_UNPACKERS = min(os.cpu_count() or 1, 4)
_DOWNLOADS = 4  # docker has 3, containerd any number


def image_layer_id(diff_id: Digest) -> LayerId:
    """The name of a layer that came with an image: the same in every image that has it."""
    return LayerId("sha256-" + diff_id.hex)


def note_image_layers(records: LayerRecords, layers: LayerStore, origin: str, image: ResolvedImage) -> tuple[str, ...]:
    """Write down where each layer of an image can be had, and return their names, bottom first.

    Nothing is fetched: perhaps nothing reads it. A layer that is unpacked under another name, because
    it was made here, is that one. `origin` is the source's identifier.
    """
    with records.transaction():  # or what is found here could be cleaned up before it is used
        known = records.named(diff_id for diff_id, _ in image.layers)
        names = []
        for diff_id, blob in image.layers:
            name = next((name for name in known.get(diff_id, ()) if layers.has(LayerId(name))), None)
            if name is None:
                name = image_layer_id(diff_id)
                record = records.get([name]).get(name)
                # Where it was to be had before may be gone, or a cache that holds it in another form.
                if record is None or record.origin != origin:
                    records.put(
                        replace(record or LayerRecord(id=name, created=""), diff_id=diff_id, blob=blob, origin=origin)
                    )
            names.append(name)
        records.use(names)
    return tuple(names)


class Stacks:
    """Keeps layers ready. One per build; belongs to one event loop."""

    def __init__(
        self, *, layers: LayerStore, content: ContentStore, records: LayerRecords, images: ImageSource
    ) -> None:
        self._layers = layers
        self._content = content
        self._records = records
        self._images = images
        self._unpackers = anyio.CapacityLimiter(_UNPACKERS)
        self._downloads = anyio.CapacityLimiter(_DOWNLOADS)
        self._busy: dict[str, anyio.Lock] = {}
        self._here: set[str] = set()  # layers seen unpacked during this build

    def seen(self, layers: Iterable[str]) -> None:
        """These layers are unpacked: they were just made."""
        self._here.update(layers)

    async def unpacked(self, ref: Sequence[str], report: Report) -> Snapshot:
        """The layers as folders, fetching and unpacking what is not there yet."""
        unseen = [layer for layer in ref if layer not in self._here]
        if unseen:
            missing = await run_blocking(self._missing, unseen)
            await _all([partial(self._unpack, record, report) for record in missing])
            self._here.update(unseen)
        return Snapshot(tuple(LayerId(layer) for layer in ref))

    async def blobs(self, ref: Sequence[str], report: Report) -> tuple[LayerBlob, ...]:
        """The layers as blobs in the content store, bottom first, packing what was never packed."""
        ready, rest = await run_blocking(self._ready, ref)

        async def fetch(record: LayerRecord) -> None:
            ready[record.id] = await self._fetched_blob(record, report)

        async def pack(records: Sequence[LayerRecord]) -> None:
            for blob_of, blob in await run_blocking(self._pack_all, records):
                ready[blob_of] = blob

        made = [record for record in rest if not record.origin]
        shares = [made[number::_PACKERS] for number in range(_PACKERS)]
        calls = [partial(fetch, record) for record in rest if record.origin]
        await _all([*calls, *(partial(pack, share) for share in shares if share)])
        return tuple(ready[layer] for layer in ref)

    def _ready(self, layers: Sequence[str]) -> tuple[dict[str, LayerBlob], list[LayerRecord]]:
        """The blobs that are there, and the records of the layers whose are not."""
        known = self._records.get(layers)
        ready: dict[str, LayerBlob] = {}
        rest = []
        for layer in dict.fromkeys(layers):
            record = known.get(layer) or LayerRecord(id=layer, created=now())
            blob = ready_blob(record, self._content, self._records)
            if blob is None:
                rest.append(record)
            else:
                ready[layer] = blob
        return ready, rest

    def _missing(self, layers: Sequence[str]) -> list[LayerRecord]:
        """Those of the layers that are not unpacked, with what is known of them."""
        missing = [layer for layer in layers if not self._layers.has(LayerId(layer))]
        known = self._records.get(missing)
        for layer in missing:
            if layer not in known:
                raise _lost(LayerRecord(id=layer, created=""), f"layer {layer} is gone from the state folder")
        return [known[layer] for layer in missing]

    async def _unpack(self, record: LayerRecord, report: Report) -> None:
        async with self._once(record.id):
            if record.id in self._here:
                return
            for last_try in (False, True):
                record, blob = await self._fetched(record, report)
                try:
                    async with self._unpackers:
                        report(f"extracting {blob.digest.short}", 0, blob.size_bytes)
                        await run_blocking(self._extract, record, blob)
                    break
                except CorruptError as error:
                    damaged = await run_blocking(self._drop_damaged, record, blob)
                    if last_try or not (damaged and record.origin):  # else another can be fetched
                        raise _lost(record, error.message) from error
            report(f"extracting {blob.digest.short}", blob.size_bytes, blob.size_bytes)
            self._here.add(record.id)

    def _extract(self, record: LayerRecord, blob: Descriptor) -> None:
        """Unpack the layer's blob. Raises CorruptError when it is damaged, or holds another layer."""
        from .layer import extract_layer  # with its decompressors: only for who unpacks

        active = self._layers.begin()
        try:
            with self._content.open(blob.digest) as stream:
                extracted = extract_layer(stream, active.fs, userxattr=self._layers.userxattr)
            if record.diff_id is not None and extracted.diff_id != record.diff_id:
                raise CorruptError(
                    f"layer {blob.digest} unpacks to {extracted.diff_id}, its image says {record.diff_id}",
                    expected=record.diff_id,
                    actual=extracted.diff_id,
                )
            self._layers.note_implied(active, extracted.implied)
            self._layers.commit(active, LayerId(record.id))
        except BaseException:
            self._layers.discard(active)
            raise
        self._records.put(replace(record, unpacked_bytes=extracted.size_bytes))

    def _drop_damaged(self, record: LayerRecord, blob: Descriptor) -> bool:
        """Remove a blob whose bytes are not those of its digest; False for one that never was what its record says."""
        if self._content.verify(blob.digest):
            return False
        log.warning("blob_damaged", digest=blob.digest, layer=record.id)
        self._content.remove(blob.digest)
        return True

    async def fetch(self, records: Sequence[LayerRecord], report: Report) -> None:
        """Bring the blobs of these layers into the content store. Raises LostLayerError."""
        await _all([partial(self._fetched, record, report) for record in records])

    async def _fetched(self, record: LayerRecord, report: Report) -> tuple[LayerRecord, Descriptor]:
        """The layer's blob is in the content store afterwards; the record, up to date.

        Raises LostLayerError: of a passing reason (`transient`), or because it is not what it should be.
        """
        blob = record.blob
        if blob is None:
            raise _lost(record, "its files are gone, and it was never packed")
        if not await run_blocking(self._content.has, blob.digest, blob.size_bytes):
            if not record.origin:
                raise _lost(record, f"its blob {blob.digest} is gone")
            try:
                async with self._downloads:
                    await self._images.fetch_layer(record.origin, blob, report)
            except SourceError as error:
                raise _lost(record, error.message, cause=error) from error
            record = replace(record, stamp=await run_blocking(self._content.stamp, blob))
            await run_blocking(self._records.put, record)
        return record, blob

    async def _fetched_blob(self, record: LayerRecord, report: Report) -> LayerBlob:
        try:
            record, _ = await self._fetched(record, report)
        except LostLayerError:
            packed = await run_blocking(self._packed_again, record)
            if packed is None:
                raise
            return packed
        ready = await run_blocking(ready_blob, record, self._content, self._records)
        if ready is None:
            raise _lost(record, "its blob was damaged as soon as it was there")
        return ready

    def _pack_all(self, records: Sequence[LayerRecord]) -> list[tuple[str, LayerBlob]]:
        return [(record.id, self._pack(record)) for record in records]

    def _packed_again(self, record: LayerRecord) -> LayerBlob | None:
        """A layer whose blob is to be had no more, packed from its files; None when it has none.

        One that was imported with a cache is from now on one that was made here. One that came with an image stays what
        the image says it is: it must give what it was before it was compressed, else it is lost.
        """
        if not self._layers.has(LayerId(record.id)):
            return None
        packed = self._pack(replace(record, blob=None, origin=""))
        of_image = record.diff_id is not None and record.id == image_layer_id(record.diff_id)
        if of_image and packed.diff_id != record.diff_id:
            self._records.put(record)
            return None
        return packed

    def _pack(self, record: LayerRecord) -> LayerBlob:
        from .layer import Compression, pack_layer

        if not self._layers.has(LayerId(record.id)):
            raise _lost(record, "its blob is gone, and so are its files")
        with self._content.ingest() as ingest:
            packed = pack_layer(self._layers.folder(LayerId(record.id)), ingest.write, Compression.GZIP)
            ingest.commit(packed.digest)
        blob = packed.blob
        stamp = self._content.stamp(blob)
        self._records.put(
            replace(record, diff_id=packed.diff_id, blob=blob, unpacked_bytes=packed.unpacked_bytes, stamp=stamp)
        )
        return LayerBlob(diff_id=packed.diff_id, descriptor=blob, created=record.created)

    def pack_planned(self, layer: PlannedLayer) -> str | None:
        """Make the blob of a layer that has no folder; the layer's name, or None if it takes a folder after all.

        Such a layer is called as one that came with an image is: by what is in it.
        """
        from .layer import NotPlanned

        with self._content.ingest(verify=False) as ingest:
            try:
                packed = layer.pack(ingest.write)
            except NotPlanned:
                return None
            ingest.commit(packed.digest)
        blob = packed.blob
        name = image_layer_id(packed.diff_id)
        with self._records.transaction():
            known = self._records.get([name]).get(name) or LayerRecord(id=name, created="")
            if ready_blob(known, self._content, self._records) is None:
                stamp = self._content.stamp(blob)
                known = replace(known, diff_id=packed.diff_id, blob=blob, stamp=stamp, origin="")
            size = packed.unpacked_bytes
            self._records.put(replace(known, created=known.created or now(), unpacked_bytes=size))
        return name

    @asynccontextmanager
    async def _once(self, layer: str) -> AsyncIterator[None]:
        async with self._busy.setdefault(layer, anyio.Lock()):
            yield


def _lost(record: LayerRecord, why: str, *, cause: SourceError | None = None) -> LostLayerError:
    return LostLayerError(why, ref=record.origin or record.id, layer=record.id, cause=cause)


async def _all(calls: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    """Await all of them at once; the first error stops the others and is raised as it is."""
    try:
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(call)
    except BaseExceptionGroup as errors:
        raise_first(errors)
