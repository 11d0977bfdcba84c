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

    from .content import ContentStore
    from .layer import PackedLayer
    from .records import LayerRecords
    from .snapshot import LayerStore
    from .stacks import Report, Stacks

    Sink: TypeAlias = Callable[[bytes | memoryview], object]

__all__ = ["LayerForm", "LayerForms"]

_PACKERS = os.cpu_count() or 1
_TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
_TAR_BYTES = "io.containers.estargz.uncompressed-size"
_OF_MEDIA_TYPE = {"gzip": Compression.GZIP, "zstd": Compression.ZSTD}


@frozen
class LayerForm:
    """How layers are compressed that are not packed yet; with `force`, all of them.

    level: of the compression, None for what it does by itself. latest_s: no file is said to be younger, in seconds
    since 1970; such a layer is another one, with a diff ID of its own. So is one in eStargz form.
    """

    compression: Compression = Compression.GZIP
    level: int | None = None
    force: bool = False
    latest_s: int | None = None

    def __str__(self) -> str:
        dated = "" if self.latest_s is None else f"@{self.latest_s}"
        return self.compression.value + ("" if self.level is None else f":{self.level}") + dated

    @property
    def is_another(self) -> bool:
        """Whether layers in this form have a diff ID of their own."""
        return self.latest_s is not None or self.compression is Compression.ESTARGZ

    @property
    def tar(self) -> str:
        """What the layer's tar is remembered as, as if that were a blob."""
        if self.compression is Compression.ESTARGZ:
            return f"tar of {self}"  # it has a table of contents in it, which has places in the blob
        return str(LayerForm(compression=Compression.NONE, latest_s=self.latest_s))

    @property
    def toc(self) -> str:
        """What the table of contents is remembered as; "" for a form without."""
        return f"toc of {self}" if self.compression is Compression.ESTARGZ else ""

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
        return self._remembered(new[-1], form, self._latest(new), _squash_name(base, new))

    def _squash(self, base: Sequence[str], new: Sequence[str], form: LayerForm) -> LayerBlob:
        lower = self._layers.folders([LayerId(layer) for layer in base])
        folders = self._layers.folders([LayerId(layer) for layer in (*base, *new)])[len(lower) :]
        below = MergedTree(lower, userxattr=self._layers.userxattr)
        with self._content.ingest(verify=False) as ingest:
            packed = pack_squashed(folders, below, ingest.write, form.compression, form.level, latest_s=form.latest_s)
            ingest.commit(packed.digest)
        return self._remember(new[-1], form, packed, self._latest(new), _squash_name(base, new))

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
            if blob is None:
                rest.append(record)
            else:
                found[layer] = blob
        return found, rest

    def _there(self, record: LayerRecord, form: LayerForm) -> LayerBlob | None:
        own = record.blob
        if own is None or not form.fits(own):
            if form.is_another:
                return self._remembered(record.id, form, record.created)
            own = ready_form(record.id, str(form), self._content, self._records)
        if own is None or record.diff_id is None:
            return None
        return LayerBlob(diff_id=record.diff_id, descriptor=own, created=record.created)

    def _remembered(self, layer: str, form: LayerForm, created: str, what: str = "") -> LayerBlob | None:
        """A layer that has a diff ID of its own, if it was made before; see `_remember`."""
        blob = ready_form(layer, f"{what}{form}", self._content, self._records)
        tar = self._records.form(layer, f"{what}{form.tar}")
        toc = self._records.form(layer, f"{what}{form.toc}") if form.toc else None
        if blob is None or tar is None or (form.toc and toc is None):
            return None
        blob = _annotated(blob, tar[0], None if toc is None else toc[0])
        return LayerBlob(diff_id=tar[0].digest, descriptor=blob, created=created)

    def _remember(self, layer: str, form: LayerForm, packed: PackedLayer, created: str, what: str = "") -> LayerBlob:
        """Note such a layer: its tar, as a blob that need not be here, and its table of contents, in the same way.

        what: before the form's name, for what is not the layer as it is.
        """
        blob, tar, toc = packed.blob, _tar_of(packed), _toc_of(packed)
        self._records.put_form(layer, f"{what}{form.tar}", tar, "")
        if toc is not None:
            self._records.put_form(layer, f"{what}{form.toc}", toc, "")
        self._records.put_form(layer, f"{what}{form}", blob, self._content.stamp(blob))
        return LayerBlob(diff_id=packed.diff_id, descriptor=_annotated(blob, tar, toc), created=created)

    def _make(self, record: LayerRecord, form: LayerForm) -> LayerBlob:
        if (record.blob is None or form.latest_s is not None) and not self._layers.has(LayerId(record.id)):
            raise LostLayerError(f"layer {record.id} is gone", ref=record.id, layer=record.id)
        with self._content.ingest(verify=False) as ingest:
            try:
                packed = self._packed(record, form, ingest.write)
            except CorruptError as error:
                raise LostLayerError(error.message, ref=record.origin or record.id, layer=record.id) from error
            ingest.commit(packed.digest)
        if form.is_another:
            return self._remember(record.id, form, packed, record.created)
        blob = packed.blob
        stamp = self._content.stamp(blob)
        if record.blob is None and form == _PLAIN:
            known = replace(record, diff_id=packed.diff_id, unpacked_bytes=packed.unpacked_bytes)
            self._records.put(replace(known, blob=blob, stamp=stamp))
        else:
            self._records.put_form(record.id, str(form), blob, stamp)
            if record.diff_id is None:
                self._records.put(replace(record, diff_id=packed.diff_id, unpacked_bytes=packed.unpacked_bytes))
        return LayerBlob(diff_id=packed.diff_id, descriptor=blob, created=record.created)

    def _packed(self, record: LayerRecord, form: LayerForm, sink: Sink) -> PackedLayer:
        if form.latest_s is not None:
            folder = self._layers.folder(LayerId(record.id))
            return pack_layer(folder, sink, form.compression, form.level, latest_s=form.latest_s)
        if record.blob is not None:
            with self._content.open(record.blob.digest) as stream:
                return convert_layer(stream, sink, form.compression, form.level)
        return pack_layer(self._layers.folder(LayerId(record.id)), sink, form.compression, form.level)


_PLAIN = LayerForm()  # how layers are packed for images


def _tar_of(packed: PackedLayer) -> Descriptor:
    """What the layer's blob would be without compression."""
    return Descriptor(media_type=Compression.NONE.media_type, digest=packed.diff_id, size_bytes=packed.unpacked_bytes)


def _toc_of(packed: PackedLayer) -> Descriptor | None:
    """The table of contents of a layer in eStargz form."""
    if packed.toc_digest is None:
        return None
    return Descriptor(media_type="application/json", digest=packed.toc_digest, size_bytes=packed.toc_bytes)


def _annotated(blob: Descriptor, tar: Descriptor, toc: Descriptor | None) -> Descriptor:
    """The blob as a manifest names it. Whoever reads an eStargz layer piece by piece checks its table by that."""
    if toc is None:
        return blob
    return replace(blob, annotations=((_TOC_DIGEST, toc.digest), (_TAR_BYTES, str(tar.size_bytes))))


def _squash_name(base: Sequence[str], new: Sequence[str]) -> str:
    """What a squashed blob is remembered as, before its form: it depends on all of these layers, in their order."""
    stack = "\0".join((*base, "", *new))
    return f"squashed {blake3_digest(stack.encode()).hex} "
