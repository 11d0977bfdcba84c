"""The frames of a zstd stream, followed as they pass: to tell a stream that ended from one that was cut off.

Only lengths are looked at, never contents. Format: RFC 8878, section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import IO

__all__ = ["ZstdFrames"]

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_BLOCK_RLE = 1
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_ID_BYTES = (0, 1, 2, 4)


class ZstdFrames:
    """A stream's `read`, that raises CorruptError when the input ends within a frame."""

    def __init__(self, start: bytes, stream: IO[bytes]) -> None:
        self._start = start
        self._stream = stream
        self._between = True  # frames: the input may end here
        self._walk = self._follow()
        self._wanted = next(self._walk)
        self._header = b""

    def read(self, size: int) -> bytes:
        data, self._start = (self._start or self._stream.read(size)), b""
        if data:
            self._pass(data)
        elif not self._between:
            raise CorruptError(
                "the zstd stream is corrupt: it ends in the middle", expected="a whole frame", actual="the end"
            )
        return data

    def _pass(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            self._between = False
            if self._wanted < 0:
                step = min(-self._wanted, len(data) - position)
                self._wanted += step
                position += step
            else:
                taken = data[position : position + self._wanted - len(self._header)]
                self._header += taken
                position += len(taken)
                if len(self._header) == self._wanted:
                    self._wanted, self._header = self._walk.send(self._header), b""
            while not self._wanted:
                self._wanted = next(self._walk)

    def _follow(self) -> Generator[int, bytes, None]:
        """Yields how many bytes it wants to see (and is sent them), or minus how many may pass."""
        while True:
            self._between = True
            magic = int.from_bytes((yield 4), "little")
            if magic & ~0xF == _SKIPPABLE:
                yield -int.from_bytes((yield 4), "little")
                continue
            if magic != _MAGIC:  # the decompressor says so better
                yield -(1 << 62)
            descriptor = (yield 1)[0]
            single_segment = descriptor >> 5 & 1
            content_size = _CONTENT_SIZE_BYTES[descriptor >> 6] or single_segment
            yield -(1 - single_segment + _DICTIONARY_ID_BYTES[descriptor & 3] + content_size)
            last = 0
            while not last:
                block = int.from_bytes((yield 3), "little")
                last = block & 1
                yield -(1 if block >> 1 & 3 == _BLOCK_RLE else block >> 3)
            if descriptor >> 2 & 1:
                yield -4
