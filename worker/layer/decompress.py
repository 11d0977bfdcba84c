"""Streams read as what is inside them: plain, gzip, bzip2, xz or zstd, told by their first bytes.

Output is bounded per step whatever the input claims, and the end of every format is checked: a truncated
stream raises CorruptError, it never just ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from ...errors import CorruptError
from .zstdframes import ZstdFrames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

__all__ = ["iter_decompressed", "sniff"]

CHUNK_BYTES = 1 << 20
_FEED_BYTES = 1 << 16
SNIFF_BYTES = 6
_XZ_MEMORY_BYTES = 128 << 20  # xz -9 needs 65 MiB
_MAGIC = ((b"\x1f\x8b\x08", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_SKIPPABLE = tuple(bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60))


class _Decompressor(Protocol):
    """One compressed stream; what bz2, lzma and ISA-L have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def sniff(start: bytes) -> str:
    """The compression a stream that begins with `start` is in; "" for none that we know."""
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return name
    return "zstd" if start.startswith(_SKIPPABLE) else ""


def iter_decompressed(stream: IO[bytes]) -> Iterator[bytes]:
    """The decompressed bytes in pieces of at most 1 MiB. Raises CorruptError on a broken or cut stream."""
    start = stream.read(_FEED_BYTES)
    while 0 < len(start) < SNIFF_BYTES and (more := stream.read(_FEED_BYTES)):
        start += more
    kind = sniff(start)
    match kind:
        case "":
            return _iter_plain(start, stream)
        case "zstd":
            return _iter_zstd(start, stream)
        case _:
            return _iter_streams(start, stream, kind)


def _iter_plain(start: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    chunk = start
    while chunk:
        yield chunk
        chunk = stream.read(CHUNK_BYTES)


def _iter_zstd(start: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    from zstandard import ZstdDecompressor, ZstdError

    # zstandard's reader takes the end of its input for the end of the data; ZstdFrames knows better.
    frames = ZstdFrames(start, stream)
    reader = ZstdDecompressor().stream_reader(cast("IO[bytes]", frames), read_size=_FEED_BYTES, read_across_frames=True)
    try:
        while chunk := reader.read(CHUNK_BYTES):
            yield chunk
    except ZstdError as error:
        raise _broken("zstd", str(error)) from error


def _iter_streams(start: bytes, stream: IO[bytes], kind: str) -> Iterator[bytes]:
    """One compressed stream after the other: pigz, pbzip2 and estargz write many."""
    new, error_types = _decompressor(kind)
    data = start
    while data:
        if sniff(data) != kind:
            _require_zeros(data, stream, kind)
            return
        current = new()
        try:
            while not current.eof:
                if current.needs_input and not data:
                    raise _broken(kind, "it ends in the middle")
                if chunk := current.decompress(data, CHUNK_BYTES):
                    yield chunk
                if not current.eof:
                    data = stream.read(_FEED_BYTES) if current.needs_input else b""
        except error_types as error:
            raise _broken(kind, str(error)) from error
        data = current.unused_data
        if len(data) < SNIFF_BYTES:
            data += stream.read(_FEED_BYTES)


def _decompressor(kind: str) -> tuple[Callable[[], _Decompressor], type[Exception] | tuple[type[Exception], ...]]:
    if kind == "gzip":
        from isal import igzip_lib

        # ISA-L's type stubs take the class for an instance.
        failure: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]
        return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), failure
    if kind == "bzip2":
        from bz2 import BZ2Decompressor

        return BZ2Decompressor, (OSError, ValueError)
    from lzma import FORMAT_XZ, LZMADecompressor, LZMAError

    return lambda: LZMADecompressor(FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES), LZMAError


def _require_zeros(data: bytes, stream: IO[bytes], kind: str) -> None:
    """Tapes and xz pad with zeros; anything else behind the data is a sign of damage."""
    while data:
        if data.strip(b"\0"):
            raise _broken(kind, "something else follows it")
        data = stream.read(_FEED_BYTES)


def _broken(kind: str, why: str) -> CorruptError:
    return CorruptError(f"the {kind} stream is corrupt: {why}", expected=f"a whole {kind} stream", actual=why)
