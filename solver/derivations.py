"""What each performed vertex's cache key was made of: kept so that a later miss can be explained.

    derivations(id, vertex, name, created, done, parts)   parts: msgpack, see `Derivation`
    listings(digest, created, data)                       zlib of the listing that a content digest is of

Only what was performed is here: a hit changes nothing that was not known. The newest are kept, and nothing is lost
when all are dropped but explanations.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from ..database import Schema, storable
from ..digest import Digest
from ..llb.codec import pack, unpack
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..database import Database

__all__ = ["DERIVATIONS_SCHEMA", "Derivation", "Derivations", "Input"]

DERIVATIONS_SCHEMA = Schema(
    "derivations",
    1,
    (
        (
            "CREATE TABLE IF NOT EXISTS derivations (id INTEGER PRIMARY KEY, vertex BLOB NOT NULL, name TEXT NOT NULL,"
            " created REAL NOT NULL, done INTEGER NOT NULL, parts BLOB NOT NULL)"
        ),
        "CREATE INDEX IF NOT EXISTS derivations_by_vertex ON derivations (vertex, id)",
        "CREATE INDEX IF NOT EXISTS derivations_by_name ON derivations (name, id)",
        "CREATE TABLE IF NOT EXISTS listings (digest BLOB PRIMARY KEY, created REAL NOT NULL, data BLOB NOT NULL)",
    ),
)
KEPT = 10_000
_KEPT_LISTING_BYTES = 64 << 20
_FORGET_EVERY = 256  # records


@frozen
class Input:
    """What one input contributed; `name` is what people call it.

    `kind` "source": `value` is what it resolved to. "files": the digest of what was read of it, at `path`.
    "result": the strong key of its result, in hex.
    """

    kind: str
    name: str
    value: str
    path: str = ""


@frozen
class Derivation:
    """What one vertex's key was made of, once. `op` in plain form (`llb.codec.encode_value`), as in the definition.

    `done`: there was a result. `ignored`: the cache was not to be asked. `created`: seconds since 1970.
    """

    vertex: Digest
    name: str
    created: float
    op: dict[str, Any]
    platform: str = ""
    inputs: tuple[Input, ...] = ()
    resolved: str = ""  # of a source: what it stood for
    ignored: bool = False
    done: bool = True


class Derivations:
    """The two tables, on an open database. Synchronous and short."""

    def __init__(self, database: Database, *, kept: int = KEPT, kept_listing_bytes: int = _KEPT_LISTING_BYTES) -> None:
        """Keeps that many of the newest records, and as many of the newest listings as fit."""
        self._database = database
        self._kept = kept
        self._kept_listing_bytes = kept_listing_bytes

    def record(self, derivations: Sequence[Derivation], listings: Mapping[Digest, bytes] | None = None) -> None:
        """Add them, with the listings behind their files (empty ones are not kept). Raises StoreError."""
        if not derivations:
            return
        with self._database.transaction():
            ((last,),) = self._database.query("SELECT coalesce(max(id), 0) FROM derivations")
            self._database.insert(
                "INSERT INTO derivations (vertex, name, created, done, parts) VALUES",
                [_row(derivation) for derivation in derivations],
            )
            for digest, listing in (listings or {}).items():
                if listing:
                    self._keep(digest, listing, derivations[-1].created)
            if (last + len(derivations)) // _FORGET_EVERY > last // _FORGET_EVERY:
                self._forget(last + len(derivations) - self._kept)

    def of_vertex(self, vertex: Digest, before: float) -> Derivation | None:
        """The newest of this vertex from before that moment."""
        found = self._read(
            "SELECT vertex, name, created, done, parts FROM derivations WHERE vertex = ? AND created < ?"
            " ORDER BY id DESC LIMIT 1",
            (_raw(vertex), before),
        )
        return found[0] if found else None

    def of_name(self, name: str, before: float) -> Derivation | None:
        """The newest of a step of this name from before that moment."""
        found = self._read(
            "SELECT vertex, name, created, done, parts FROM derivations WHERE name = ? AND created < ?"
            " ORDER BY id DESC LIMIT 1",
            (storable(name), before),
        )
        return found[0] if found else None

    def of_build(self, vertex: Digest, started: float, completed: float) -> Derivation | None:
        """What was recorded of this vertex between the beginning and the end of a build."""
        found = self.of_vertex(vertex, completed + 1e-6)
        return found if found is not None and found.created >= started else None

    def names(self, before: float) -> list[tuple[str, int]]:
        """The names of all steps recorded before that moment, with the number of the newest record of each.

        Those recorded last come first.
        """
        return self._database.query(
            "SELECT name, max(id) FROM derivations WHERE created < ? GROUP BY name ORDER BY max(id) DESC", (before,)
        )

    def get(self, number: int) -> Derivation | None:
        """The record of that number, unless it was dropped meanwhile."""
        found = self._read("SELECT vertex, name, created, done, parts FROM derivations WHERE id = ?", (number,))
        return found[0] if found else None

    def _read(self, statement: str, values: tuple[object, ...]) -> list[Derivation]:
        """Raises DamagedError."""
        rows = self._database.query(statement, values)
        with self._database.decoding():
            return [_read(row) for row in rows]

    def listing(self, digest: str) -> bytes | None:
        """The listing of that content digest, if it was kept."""
        rows = self._database.query("SELECT data FROM listings WHERE digest = ?", (_raw(digest),))
        return zlib.decompress(rows[0][0]) if rows else None

    def _keep(self, digest: Digest, listing: bytes, created: float) -> None:
        key = _raw(digest)
        if not self._database.query("SELECT 1 FROM listings WHERE digest = ?", (key,)):
            self._database.execute("INSERT INTO listings VALUES (?, ?, ?)", (key, created, zlib.compress(listing, 1)))

    def _forget(self, last: int) -> None:
        self._database.execute("DELETE FROM derivations WHERE id <= ?", (last,))
        # Newest first, as many as fit
        self._database.execute(
            "DELETE FROM listings WHERE digest IN (SELECT digest FROM"
            " (SELECT digest, sum(length(data)) OVER (ORDER BY created DESC, digest) AS total FROM listings)"
            " WHERE total > ?)",
            (self._kept_listing_bytes,),
        )


def _raw(digest: str) -> bytes:
    return bytes.fromhex(digest.partition(":")[2])


def _row(derivation: Derivation) -> tuple[bytes, str, float, bool, bytes]:
    inputs = [[item.kind, item.name, item.value, item.path] for item in derivation.inputs]
    parts = pack([derivation.op, derivation.platform, inputs, derivation.resolved, derivation.ignored])
    return (_raw(derivation.vertex), storable(derivation.name), derivation.created, derivation.done, parts)


def _read(row: tuple[bytes, str, float, int, bytes]) -> Derivation:
    vertex, name, created, done, parts = row
    op, platform, inputs, resolved, ignored = unpack(parts)
    return Derivation(
        vertex=Digest(f"blake3:{vertex.hex()}"),
        name=name,
        created=created,
        op=op,
        platform=platform,
        inputs=tuple(Input(kind=kind, name=of, value=value, path=path) for kind, of, value, path in inputs),
        resolved=resolved,
        ignored=ignored,
        done=bool(done),
    )
