"""SUSE's `Packages.db`. Format: rpm, lib/backend/ndb/rpmpkg.c: pages of slots, which point at blobs; little endian."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .header import MOST_HEADER_BYTES
from .pages import BadDatabaseError, Pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["ndb_headers"]

_PAGE_BYTES = 4096
_HEADER = struct.Struct("<4sIIII12x")  # magic, version, generation, pages of slots, next index
_SLOT = struct.Struct("<4sIII")  # magic, package index, first block (0: free), blocks
_BLOB = struct.Struct("<4sIII")  # magic, package index, generation, bytes
_BLOCK_BYTES = 16


def ndb_headers(file: BinaryIO) -> Iterator[bytes]:
    """Every record. Raises BadDatabaseError where the file is not what it should be."""
    pages = Pages(file)
    magic, version, _, count, _ = _HEADER.unpack(pages.read(0, _HEADER.size))
    if magic != b"RpmP" or version != 0:
        raise BadDatabaseError("it is no ndb database of a known version")
    for page in range(count):
        slots = pages.read(page * _PAGE_BYTES, _PAGE_BYTES)
        for magic, index, block, _ in _SLOT.iter_unpack(slots[0 if page else _HEADER.size :]):
            if magic != b"Slot":
                raise BadDatabaseError(f"page {page} has no slots")
            if block:
                yield _blob(pages, index, block * _BLOCK_BYTES)


def _blob(pages: Pages, index: int, offset: int) -> bytes:
    magic, found, _, size = _BLOB.unpack(pages.read(offset, _BLOB.size))
    if magic != b"BlbS" or found != index or size > MOST_HEADER_BYTES:
        raise BadDatabaseError(f"record {index} is not where its slot says")
    pages.take(size)
    return pages.read(offset + _BLOB.size, size)
