"""Sparse files in tars: the maps that say where the stored bytes belong, and the content with its holes filled in.

Formats: GNU tar's manual, "Storing Sparse Files": the old GNU header, and pax versions 0.1 and 1.0 (0.0, of
2004, writes one key many times and is refused).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...errors import CorruptError
from .tarheader import number

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ZEROS", "SparseContent", "SparseMap", "check_map", "old_gnu_map", "pax_map"]

_ENTRY_BYTES = 24
_IN_HEADER = (386, 4)  # where the first entries stand, and how many
_IN_BLOCK = (0, 21)
_PIECES_MAX = 100_000
_SIZE_MAX = 1 << 41  # the lastlog of a user with the highest id has 1.25 TB
ZEROS = bytes(1 << 20)  # what every piece of a hole is a view of: who writes one need not look at it
_ZEROS = memoryview(ZEROS)


class SparseMap(NamedTuple):
    """The pieces that are stored, as (offset, length), and the size of the whole."""

    pieces: tuple[tuple[int, int], ...]
    size_bytes: int


def old_gnu_map(header: bytes, next_block: Callable[[], memoryview]) -> SparseMap:
    """The map of a member of type S, that may go on in blocks of its own behind the header."""
    size_bytes = number(header[483:495])
    pieces = _entries(header, *_IN_HEADER)
    more = header[482]
    while more:
        if len(pieces) > _PIECES_MAX:
            raise _malformed("a map without end")
        block = bytes(next_block())
        pieces += _entries(block, *_IN_BLOCK)
        more = block[504]
    return SparseMap(tuple(pieces), size_bytes)


def pax_map(records: dict[bytes, bytes], next_block: Callable[[], memoryview]) -> SparseMap:
    """The map that pax records tell of: in them (0.1), or before the content (1.0)."""
    version = (records.get(b"GNU.sparse.major", b"0"), records.get(b"GNU.sparse.minor", b"1"))
    if version == (b"1", b"0"):
        return SparseMap(_leading_map(next_block), _decimal(records.get(b"GNU.sparse.realsize", b"")))
    if version == (b"0", b"1") and b"GNU.sparse.map" in records:
        numbers = [_decimal(text) for text in records[b"GNU.sparse.map"].split(b",")]
        return SparseMap(_pairs(numbers), _decimal(records.get(b"GNU.sparse.size", b"")))
    raise _malformed(f"a map of version {version[0]!r}.{version[1]!r}")


def check_map(found: SparseMap, stored_bytes: int) -> None:
    """Refuse a map whose pieces overlap, leave the file or are not what is stored."""
    end = 0
    for offset, length in found.pieces:
        if offset < end or length < 0:
            raise _malformed(f"a piece of {length} bytes at {offset}")
        end = offset + length
    if not end <= found.size_bytes <= _SIZE_MAX or sum(length for _, length in found.pieces) != stored_bytes:
        raise _malformed(f"{stored_bytes} bytes stored of a file of {found.size_bytes}")


class SparseContent:
    """The content of a sparse file, piece by piece, zeros in its holes. `stored(n)` gives up to n of what is stored."""

    def __init__(self, found: SparseMap, stored: Callable[[int], memoryview]) -> None:
        self._pieces = [piece for piece in reversed(found.pieces) if piece[1]]
        self._size = found.size_bytes
        self._stored = stored
        self._at = 0

    def piece(self) -> memoryview:
        offset, length = self._pieces[-1] if self._pieces else (self._size, 0)
        if self._at < offset:
            data = _ZEROS[: offset - self._at]
        elif length:
            data = self._stored(offset + length - self._at)
            if self._at + len(data) == offset + length:
                self._pieces.pop()
            else:
                self._pieces[-1] = (self._at + len(data), offset + length - self._at - len(data))
        else:
            return _ZEROS[:0]
        self._at += len(data)
        return data


def _entries(block: bytes, start: int, count: int) -> list[tuple[int, int]]:
    found = []
    for place in range(start, start + count * _ENTRY_BYTES, _ENTRY_BYTES):
        offset, length = block[place : place + 12], block[place + 12 : place + 24]
        if not offset[0]:
            break
        found.append((number(offset), number(length)))
    return found


def _leading_map(next_block: Callable[[], memoryview]) -> tuple[tuple[int, int], ...]:
    """Decimal lines, how many pairs and then the pairs, filled up to a whole block."""
    blocks = [bytes(next_block())]
    count = _decimal(blocks[0].partition(b"\n")[0])
    if count > _PIECES_MAX:
        raise _malformed(f"a map of {count} pieces")
    missing = 1 + 2 * count - blocks[0].count(b"\n")
    while missing > 0:
        blocks.append(bytes(next_block()))
        found = blocks[-1].count(b"\n")
        if not found:
            raise _malformed("a map without lines")
        missing -= found
    return _pairs([_decimal(line) for line in b"".join(blocks).split(b"\n")[1 : 1 + 2 * count]])


def _pairs(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    if len(numbers) % 2:
        raise _malformed("half a piece")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19:
        raise _malformed(f"the number {text[:40]!r}")
    return int(text)


def _malformed(what: str) -> CorruptError:
    return CorruptError(f"the archive has a malformed sparse file: {what}", expected="a map of its pieces", actual=what)
