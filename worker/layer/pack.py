"""A layer folder in overlay form to a layer blob in OCI form, in one streaming pass.

Whiteouts (0/0 character devices) become `.wh.NAME` files, opaque folders get a `.wh..wh..opq` inside.
Spec: OCI image-spec 1.1, layer.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...digest import sha256_digest
from ...image import Descriptor
from ...values import frozen
from .blobwriter import BlobWriter
from .compression import Compression
from .decompress import iter_decompressed
from .tarstream import TarStream
from .treewalk import TreeWriter

if TYPE_CHECKING:
    from typing import IO

    from ...digest import Digest
    from .blobwriter import Sink

__all__ = ["PackedLayer", "convert_layer", "finish_layer", "new_stream", "pack_layer"]


@frozen
class PackedLayer:
    """What an image says about a layer. `unpacked_bytes` is the size of the tar.

    toc_digest, toc_bytes: of an eStargz layer's table of contents.
    """

    diff_id: Digest
    digest: Digest
    size_bytes: int
    unpacked_bytes: int
    media_type: str
    toc_digest: Digest | None = None
    toc_bytes: int = 0

    @property
    def blob(self) -> Descriptor:
        """The blob, as a manifest names it."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size_bytes=self.size_bytes)


def pack_layer(
    folder: str,
    sink: Sink,
    compression: Compression,
    level: int | None = None,
    *,
    overlay: bool = True,
    latest_s: int | None = None,
) -> PackedLayer:
    """Write the layer in `folder` as a blob to `sink`, which takes bytes in order, perhaps from another thread.

    The folder itself is no member: its mode and owner belong to the root of the stack, as in BuildKit's layers.
    Sockets are left out. overlay=False: the folder is an ordinary one, where nothing means a deletion.
    latest_s: no member is said to be younger, in seconds since 1970.
    Raises StoreError when a file changes or cannot be read while it is being packed.
    """
    with BlobWriter(sink, compression, level) as blob:
        TreeWriter(new_stream(blob, compression, latest_s), overlay=overlay).write(folder)
        return finish_layer(blob, compression)


def new_stream(blob: BlobWriter, compression: Compression, latest_s: int | None) -> TarStream:
    """The tar that goes into the blob. latest_s: no member is said to be younger, in seconds since 1970."""
    latest_ns = None if latest_s is None else latest_s * 10**9
    if compression is Compression.ESTARGZ:
        from .stargz import StargzStream

        return StargzStream(blob, latest_ns=latest_ns)
    return TarStream(blob.write, latest_ns=latest_ns)


def convert_layer(stream: IO[bytes], sink: Sink, compression: Compression, level: int | None = None) -> PackedLayer:
    """Write a layer blob in another compression: the tar inside stays as it is, byte by byte, but for eStargz.

    Raises CorruptError when the blob is damaged.
    """
    with BlobWriter(sink, compression, level) as blob:
        chunks = iter_decompressed(stream)
        if compression is Compression.ESTARGZ:
            from .stargz import convert_to_stargz

            convert_to_stargz(chunks, blob)
        for chunk in chunks:
            blob.write(chunk)
        return finish_layer(blob, compression)


def finish_layer(blob: BlobWriter, compression: Compression) -> PackedLayer:
    """Describe a blob whose tar is complete."""
    diff_id, digest = blob.finish()
    toc = b""
    if compression is Compression.ESTARGZ:
        from .stargz import MemberGzip

        assert isinstance(blob.compressor, MemberGzip), "it was made for this"
        toc = blob.compressor.toc
    return PackedLayer(
        diff_id=diff_id,
        digest=digest,
        size_bytes=blob.blob_bytes,
        unpacked_bytes=blob.tar_bytes,
        media_type=compression.media_type,
        toc_digest=sha256_digest(toc) if toc else None,
        toc_bytes=len(toc),
    )
