"""How large a layer is once unpacked: what `docker history` calls SIZE."""

from __future__ import annotations

import tarfile
import zlib
from typing import IO, TYPE_CHECKING, cast

from ..errors import CorruptError

if TYPE_CHECKING:
    from ..image import Descriptor
    from ..worker import ContentStore

__all__ = ["layer_size"]

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def layer_size(store: ContentStore, layer: Descriptor) -> int:
    """The bytes of a layer's files, each counted once; folders, links and deletions count as nothing.

    Reads the whole blob. Raises NotFoundError when it is not here, CorruptError when it is no tar.
    """
    from zstandard import ZstdError

    with store.open(layer.digest) as blob, _uncompressed(blob) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                return sum(member.size for member in archive if member.isreg())
        except (tarfile.TarError, ZstdError, zlib.error, EOFError, OSError) as exc:
            raise CorruptError(
                f"layer {layer.digest.short} cannot be read: {exc}", expected=layer.digest, actual="unreadable"
            ) from exc


def _uncompressed(blob: IO[bytes]) -> IO[bytes]:
    magic = blob.read(4)
    blob.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        from isal import igzip

        return cast("IO[bytes]", igzip.IGzipFile(fileobj=blob))  # type: ignore[no-untyped-call]  # isal has no types here
    if magic == _ZSTD_MAGIC:
        from zstandard import ZstdDecompressor

        return cast("IO[bytes]", ZstdDecompressor().stream_reader(blob, read_across_frames=True, closefd=False))
    return blob
