"""Layers as blobs in a chosen form: what caches hand out, and images that are to be compressed otherwise or dated.

A layer has one blob that images are made of; others are made on demand, kept beside it, and remembered.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from ..blocking import run_blocking
from ..digest import blake3_digest
from ..errors import CorruptError, LostLayerError, raise_first
from ..image import Descriptor, LayerBlob
from ..values import frozen, replace
from .layer import Compression, convert_layer, pack_layer, pack_squashed
from .records import LayerRecord, now, ready_blob, ready_form
from .snapshot import LayerId, MergedTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from ..digest import Digest
    from .content import ContentStore
    from .layer import PackedLayer
    from .records import LayerRecords
    from .snapshot import LayerStore
    from .stacks import Report, Stacks

    Sink: TypeAlias = Callable[[bytes | memoryview], object]

__all__ = ["LayerForm", "LayerForms"]

_PACKERS = os.cpu_count() or 1
_OF_MEDIA_TYPE = {"gzip": Compression.GZIP, "zstd": Compression.ZSTD}


@frozen
class LayerForm:
    """How layers are compressed that are not packed yet; with `force`, all of them.

    level: of the compression, None for what it does by itself. latest_s: no file is said to be younger, in seconds
    since 1970; such a layer is another one, with a diff ID of its own.
    """

    compression: Compression = Compression.GZIP
    level: int | None = None
    force: bool = False
    latest_s: int | None = None

    def __str__(self) -> str:
        dated = "" if self.latest_s is None else f"@{self.latest_s}"
        return self.compression.value + ("" if self.level is None else f":{self.level}") + dated

    def fits(self, blob: Descriptor) -> bool:
        """Whether a blob that is there will do."""
        if self.latest_s is not None:
            return False
        if not self.force:
            return True
        kind = blob.media_type.rpartition("+")[2].rpartition(".")[2]
        return self.level is None and _OF_MEDIA_TYPE.get(kind, Compression.NONE) is self.compression


class LayerForms:
    """Blobs of layers, found or made. Belongs to one event loop."""

    def __init__(self, *, layers: LayerStore, content: ContentStore, records: LayerRecords, stacks: Stacks) -> None:
        self._layers = layers
        self._content = content
        self._records = records
        self._stacks = stacks

    async def blobs(self, layers: Sequence[str], form: LayerForm, report: Report) -> dict[str, LayerBlob]:
        """A blob for every layer, by its name. One that can be fetched and will do is described, not fetched.

        Raises LostLayerError.
        """
        found, rest = await run_blocking(self._find, layers, form)
        if form.latest_s is not None:
            await self._stacks.unpacked([record.id for record in rest], report)
        else:
            await self._stacks.fetch([record for record in rest if record.blob is not None], report)
        limiter = anyio.CapacityLimiter(_PACKERS)

        async def make(record: LayerRecord) -> None:
            found[record.id] = await run_blocking(self._make, record, form, limiter=limiter)

        try:
            async with anyio.create_task_group() as group:
                for record in rest:
                    group.start_soon(make, record)
        except BaseExceptionGroup as errors:
            raise_first(errors)
        return found

    async def squashed(self, base: Sequence[str], new: Sequence[str], form: LayerForm, report: Report) -> LayerBlob:
        """The `new` layers as one blob for on top of the `base`. Made once, and remembered with the topmost.

        Raises LostLayerError.
        """
        found = await run_blocking(self._squashed_there, base, new, form)
        if found is not None:
            return found
        await self._stacks.unpacked([*base, *new], report)
        return await run_blocking(self._squash, base, new, form)

    def _squashed_there(self, base: Sequence[str], new: Sequence[str], form: LayerForm) -> LayerBlob | None:
        blob = ready_form(new[-1], _squash_name(base, new, form), self._content, self._records)
        plain = self._records.form(new[-1], _squash_name(base, new, _uncompressed(form)))
        if blob is None or plain is None:
            return None
        return LayerBlob(diff_id=plain[0].digest, descriptor=blob, created=self._latest(new))

    def _squash(self, base: Sequence[str], new: Sequence[str], form: LayerForm) -> LayerBlob:
        lower = self._layers.folders([LayerId(layer) for layer in base])
        folders = self._layers.folders([LayerId(layer) for layer in (*base, *new)])[len(lower) :]
        below = MergedTree(lower, userxattr=self._layers.userxattr)
        with self._content.ingest(verify=False) as ingest:
            packed = pack_squashed(folders, below, ingest.write, form.compression, form.level, latest_s=form.latest_s)
            ingest.commit(packed.digest)
        blob = Descriptor(media_type=packed.media_type, digest=packed.digest, size_bytes=packed.size_bytes)
        self._records.put_form(new[-1], _squash_name(base, new, _uncompressed(form)), _plain_of(packed), "")
        self._records.put_form(new[-1], _squash_name(base, new, form), blob, self._content.stamp(blob))
        return LayerBlob(diff_id=packed.diff_id, descriptor=blob, created=self._latest(new))

    def _latest(self, layers: Sequence[str]) -> str:
        """When the youngest of them was made."""
        return max((record.created for record in self._records.get(layers).values()), default="")

    async def fetch(self, layers: Sequence[str], report: Report) -> None:
        """Bring the layers' own blobs into the content store. Raises LostLayerError."""
        known = await run_blocking(self._records.get, layers)
        await self._stacks.fetch([known[layer] for layer in layers if layer in known], report)

    def _find(self, layers: Sequence[str], form: LayerForm) -> tuple[dict[str, LayerBlob], list[LayerRecord]]:
        """What there is, and the records of the layers for which a blob must be made."""
        known = self._records.get(layers)
        found: dict[str, LayerBlob] = {}
        rest = []
        for layer in dict.fromkeys(layers):
            record = known.get(layer) or LayerRecord(id=layer, created=now())
            if ready_blob(record, self._content, self._records) is None and not record.origin:
                record = replace(record, blob=None)  # gone: it is packed again
            blob = self._there(record, form)
            diff_id = record.diff_id if form.latest_s is None else self._dated_diff_id(record, form)
            if blob is None or diff_id is None:
                rest.append(record)
            else:
                found[layer] = LayerBlob(diff_id=diff_id, descriptor=blob, created=record.created)
        return found, rest

    def _there(self, record: LayerRecord, form: LayerForm) -> Descriptor | None:
        own = record.blob
        if own is not None and form.fits(own):
            return own
        return ready_form(record.id, str(form), self._content, self._records)

    def _dated_diff_id(self, record: LayerRecord, form: LayerForm) -> Digest | None:
        """The diff ID of a layer with its times rewritten: the digest of its uncompressed form."""
        plain = self._records.form(record.id, str(_uncompressed(form)))
        return None if plain is None else plain[0].digest

    def _make(self, record: LayerRecord, form: LayerForm) -> LayerBlob:
        if (record.blob is None or form.latest_s is not None) and not self._layers.has(LayerId(record.id)):
            raise LostLayerError(f"layer {record.id} is gone", ref=record.id, layer=record.id)
        with self._content.ingest(verify=False) as ingest:
            try:
                packed = self._packed(record, form, ingest.write)
            except CorruptError as error:
                raise LostLayerError(error.message, ref=record.origin or record.id, layer=record.id) from error
            ingest.commit(packed.digest)
        blob = Descriptor(media_type=packed.media_type, digest=packed.digest, size_bytes=packed.size_bytes)
        stamp = self._content.stamp(blob)
        if form.latest_s is not None:
            self._note_dated(record, form, packed)
            self._records.put_form(record.id, str(form), blob, stamp)
        elif record.blob is None and form == _PLAIN:
            known = replace(record, diff_id=packed.diff_id, unpacked_bytes=packed.unpacked_bytes)
            self._records.put(replace(known, blob=blob, stamp=stamp))
        else:
            self._records.put_form(record.id, str(form), blob, stamp)
            if record.diff_id is None:
                self._records.put(replace(record, diff_id=packed.diff_id, unpacked_bytes=packed.unpacked_bytes))
        return LayerBlob(diff_id=packed.diff_id, descriptor=blob, created=record.created)

    def _note_dated(self, record: LayerRecord, form: LayerForm, packed: PackedLayer) -> None:
        """Keep the diff ID: as that of a blob that need not be here."""
        self._records.put_form(record.id, str(_uncompressed(form)), _plain_of(packed), "")

    def _packed(self, record: LayerRecord, form: LayerForm, sink: Sink) -> PackedLayer:
        if form.latest_s is not None:
            folder = self._layers.folder(LayerId(record.id))
            return pack_layer(folder, sink, form.compression, form.level, latest_s=form.latest_s)
        if record.blob is not None:
            with self._content.open(record.blob.digest) as stream:
                return convert_layer(stream, sink, form.compression, form.level)
        return pack_layer(self._layers.folder(LayerId(record.id)), sink, form.compression, form.level)


_PLAIN = LayerForm()  # how layers are packed for images


def _plain_of(packed: PackedLayer) -> Descriptor:
    """What the layer's blob would be without compression."""
    return Descriptor(media_type=Compression.NONE.media_type, digest=packed.diff_id, size_bytes=packed.unpacked_bytes)


def _squash_name(base: Sequence[str], new: Sequence[str], form: LayerForm) -> str:
    """What a squashed blob is remembered as: it depends on all of these layers, in their order."""
    stack = "\0".join((*base, "", *new))
    return f"squashed {blake3_digest(stack.encode()).hex} {form}"


def _uncompressed(form: LayerForm) -> LayerForm:
    return LayerForm(compression=Compression.NONE, latest_s=form.latest_s)
