"""How a layer's tar is compressed: the choice, its media type and the compressors behind it.

Reading compressed streams lives in `decompress`, because it must also cope with what others wrote.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from ...image import MediaType

if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

__all__ = ["Compression", "Compressor", "load_packers", "new_compressor"]

_GZIP_LEVEL = 2  # ISA-L's own default of 0-3
_GZIP_WRAPPER = 31  # zlib's code for "a gzip header and trailer around it"
_ZSTD_LEVEL = 3


class Compression(Enum):
    """What is done to a layer's tar before it becomes a blob."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    ESTARGZ = "estargz"  # gzip in which files can be found: another tar, see `stargz`

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Compression.NONE: MediaType.OCI_LAYER,
    Compression.GZIP: MediaType.OCI_LAYER_GZIP,
    Compression.ZSTD: MediaType.OCI_LAYER_ZSTD,
    Compression.ESTARGZ: MediaType.OCI_LAYER_GZIP,
}


class Compressor(Protocol):
    """A stream of bytes in, another out; what zlib, ISA-L and zstandard have in common."""

    def compress(self, data: Buffer, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: Buffer, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def new_compressor(compression: Compression, level: int | None = None) -> Compressor:
    """A fresh stream. Equal input gives equal bytes: no time, name or thread count gets into them.

    level: 0-9 of gzip and estargz, 1-22 of zstd; None: what does well in little time.
    """
    match compression:
        case Compression.NONE:
            return _Plain()
        case Compression.GZIP if level is not None:
            import zlib  # ISA-L has no such levels: it is made for speed

            return zlib.compressobj(level, zlib.DEFLATED, _GZIP_WRAPPER)
        case Compression.GZIP:
            from isal import isal_zlib

            gzip: Compressor = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WRAPPER)
            return gzip
        case Compression.ZSTD:
            from zstandard import ZstdCompressor

            return ZstdCompressor(level=level or _ZSTD_LEVEL).compressobj()
        case Compression.ESTARGZ:
            from .stargz import MemberGzip

            return MemberGzip(level)


def load_packers() -> None:
    """Import what packing layers needs, ahead of time: for who waits for something else meanwhile."""
    from isal import isal_zlib  # noqa: F401

    from . import pack  # noqa: F401
