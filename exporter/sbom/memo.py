"""What scans found, remembered by what was scanned: a result's layers never change.

    scans(id, data, last_used)      data: zlib over msgpack of [packages, notes, when]

`id` is made of the scanner, its version and the layers' names. The least recently used go.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...database import Schema
from ...digest import blake3_bytes
from ...llb.codec import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...database import Database
    from .contract import Scanner
    from .scan import Scan

__all__ = ["SCANS_SCHEMA", "ScanMemo"]

SCANS_SCHEMA = Schema(
    "scans",
    1,
    ("CREATE TABLE IF NOT EXISTS scans (id BLOB PRIMARY KEY, data BLOB NOT NULL, last_used REAL NOT NULL)",),
)
_FORM = 3  # to be changed when the same files would give other packages, or they are written differently
_KEPT = 100
_MOST_BYTES = 16 << 20  # of one scan, as stored


class ScanMemo:
    """The table, on an open database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, scanner: Scanner, layers: Sequence[str]) -> Scan | None:
        """What the scanner once found in these layers. Raises DamagedError, StoreError."""
        key = _key(scanner, layers)
        rows = self._database.query("SELECT data FROM scans WHERE id = ?", (key,))
        if not rows:
            return None
        self._database.execute("UPDATE scans SET last_used = ? WHERE id = ?", (time.time(), key))
        with self._database.decoding():
            return _decode(scanner.name, rows[0][0])

    def keep(self, scanner: Scanner, layers: Sequence[str], scan: Scan) -> None:
        """Remember a scan, unless it is too large, or something could not be read for it. Raises StoreError."""
        data = _encode(scan)
        if len(data) > _MOST_BYTES or not scan.lasting:
            return
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO scans VALUES (?, ?, ?)", (_key(scanner, layers), data, time.time())
            )
            self._database.execute(
                "DELETE FROM scans WHERE id NOT IN (SELECT id FROM scans ORDER BY last_used DESC LIMIT ?)", (_KEPT,)
            )
        self._database.settle()


def _key(scanner: Scanner, layers: Sequence[str]) -> bytes:
    return blake3_bytes(pack([_FORM, scanner.name, scanner.version, list(layers)]))


def _encode(scan: Scan) -> bytes:
    rows = [[one.name, one.version, one.purl, one.found_in, one.licenses, one.maintainer] for one in scan.packages]
    import zlib  # only who scans needs it, and every build knows this module

    return zlib.compress(pack([rows, list(scan.notes), round(scan.when * 1000)]))


def _decode(scanner: str, data: bytes) -> Scan:
    import zlib

    from .contract import Package
    from .scan import Scan as Found

    try:
        rows, notes, when = unpack(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(str(error)) from None
    packages = (
        Package(name=name, version=version, purl=purl, found_in=found_in, licenses=licenses, maintainer=maintainer)
        for name, version, purl, found_in, licenses, maintainer in rows
    )
    return Found(scanner=scanner, packages=tuple(packages), notes=tuple(notes), when=when / 1000)
