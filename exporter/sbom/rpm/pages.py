"""Bounded reading of a database that somebody else made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["BadDatabaseError", "Pages"]


class BadDatabaseError(Exception):
    """A database is not what it should be; the message says how."""


class Pages:
    """A file read in pieces. All records together are no larger than it is: whoever tells of more is lying."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = os.fstat(file.fileno()).st_size
        self._left = self.size_bytes

    def read(self, offset: int, count: int) -> bytes:
        """Exactly so many bytes. Raises BadDatabaseError where there are fewer."""
        data = os.pread(self._file.fileno(), count, offset) if offset + count <= self.size_bytes else b""
        if len(data) < count:
            raise BadDatabaseError(f"it ends before byte {offset + count}")
        return data

    def take(self, count: int) -> None:
        """Account for the bytes of a record. Raises BadDatabaseError when that cannot be."""
        self._left -= count
        if self._left < 0:
            raise BadDatabaseError("its records would be larger than it is")
