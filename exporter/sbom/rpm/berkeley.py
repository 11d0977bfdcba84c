"""`Packages` of rpm before 4.16: a hash of Berkeley DB, versions 8 to 10, in the byte order of whoever wrote it.

Format: rpm, lib/backend/bdb_ro.cc; Berkeley DB, src/dbinc/db_page.h. Every page of the hash is read in turn, for what
is wanted is all records; their keys are numbers that mean nothing here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .header import MOST_HEADER_BYTES
from .pages import BadDatabaseError, Pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["berkeley_headers"]

_META_BYTES = 72
_MAGIC = 0x061561
_VERSIONS = range(8, 11)
_ENCRYPTED_AT = 24
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))
_PAGE_HEADER_BYTES = 26
_HASH_UNSORTED, _OVERFLOW, _HASH = 2, 7, 13
_ON_PAGE, _OFF_PAGE = 1, 3
_OFF_PAGE_BYTES = 12


def berkeley_headers(file: BinaryIO) -> Iterator[bytes]:
    """Every record. Raises BadDatabaseError where the file is not what it should be."""
    return _Hash(Pages(file)).values()


class _Hash:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        meta = pages.read(0, _META_BYTES)
        self._order = next((order for order in "<>" if struct.unpack_from(f"{order}I", meta, 12)[0] == _MAGIC), "")
        if not self._order:
            raise BadDatabaseError("it is no hash of Berkeley DB")
        version, self._page_bytes = struct.unpack_from(f"{self._order}II", meta, 16)
        (self._last,) = struct.unpack_from(f"{self._order}I", meta, 32)
        if version not in _VERSIONS or self._page_bytes not in _PAGE_SIZES:
            raise BadDatabaseError(f"it is of version {version}, which is not known")
        if meta[_ENCRYPTED_AT]:
            raise BadDatabaseError("it is encrypted")

    def values(self) -> Iterator[bytes]:
        """Of every key."""
        for number in range(1, self._last + 1):
            page = self._page(number)
            if page[25] in {_HASH_UNSORTED, _HASH}:
                yield from self._on_page(number, page)

    def _page(self, number: int) -> bytes:
        return self._pages.read(number * self._page_bytes, self._page_bytes)

    def _numbers(self, form: str, data: bytes, offset: int) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack_from(self._order + form, data, offset)
        return found

    def _on_page(self, number: int, page: bytes) -> Iterator[bytes]:
        """Keys and values alternate; what they point at grows from the end of the page."""
        (entries,) = self._numbers("H", page, 20)
        if _PAGE_HEADER_BYTES + 2 * entries > len(page):
            raise BadDatabaseError(f"page {number} has more entries than fit")
        offsets = self._numbers(f"{entries}H", page, _PAGE_HEADER_BYTES)
        for key, value in zip(offsets[::2], offsets[1::2], strict=False):
            if not _PAGE_HEADER_BYTES <= value < key < len(page):
                raise BadDatabaseError(f"page {number} has entries outside")
            kind = page[value]
            if kind == _OFF_PAGE and key - value >= _OFF_PAGE_BYTES:
                first, size = self._numbers("II", page, value + 4)
                yield self._off_page(first, size)
            elif kind == _ON_PAGE:
                yield page[value + 1 : key]

    def _off_page(self, number: int, size: int) -> bytes:
        if size > MOST_HEADER_BYTES:
            raise BadDatabaseError(f"page {number} begins a record of {size} bytes")
        self._pages.take(size)
        parts: list[bytes] = []
        left = size
        while left > 0:
            page = self._page(number)
            (count,) = self._numbers("H", page, 22)
            if page[25] != _OVERFLOW or not 0 < count <= min(left, len(page) - _PAGE_HEADER_BYTES):
                raise BadDatabaseError(f"page {number} is no part of a record")
            parts.append(page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + count])
            left -= count
            (number,) = self._numbers("I", page, 16)
        return b"".join(parts)
