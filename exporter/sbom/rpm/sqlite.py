"""`rpmdb.sqlite` of rpm since 4.16: the table `Packages(hnum, blob)`, a header in each row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from .header import MOST_HEADER_BYTES
from .pages import BadDatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["sqlite_headers"]

_MOST_STEPS = 200_000_000  # instructions of SQLite's machine: far beyond any real database
_STEPS_AT_ONCE = 1_000_000


def sqlite_headers(file: BinaryIO) -> Iterator[bytes]:
    """Every record. Nothing in the database's schema may run, and nothing runs for ever.

    Raises BadDatabaseError where the file is not what it should be.
    """
    try:
        yield from _headers(file)
    except sqlite3.Error as error:
        raise BadDatabaseError(str(error)) from error


def _headers(file: BinaryIO) -> Iterator[bytes]:
    place = f"file:/proc/self/fd/{file.fileno()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(place, uri=True)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_HEADER_BYTES)
        left = _MOST_STEPS // _STEPS_AT_ONCE

        def tick() -> int:
            nonlocal left
            left -= 1
            return int(left < 0)

        connection.set_progress_handler(tick, _STEPS_AT_ONCE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchall()
        if kinds != [("table",)]:
            return
        for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum"):
            if isinstance(blob, bytes):
                yield blob
