"""The cache store: keys → results, in SQLite.

    results(id, refs, created, duration_s, name, last_used, uses, lease)
                                           refs: msgpack [[layer, …], …], one array per output
    keys(key, result, strong)              32-byte keys; `strong` is the result's strong key
    contents(id, digest, created)          memo: digest of some paths of some layers
    durations(op, duration_s, created)     how long an op took the last time, whatever its inputs

A key names one result; a result may have several keys. Records are replaced whole, and a record whose layers are gone
is a miss. What a build uses it says with `use`, before it relies on it: see `leases.py`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..database import Schema
from ..digest import Digest
from ..leases import LATEST, LEASE_TABLE
from ..llb.codec import pack, unpack
from ..values import frozen
from .derivations import DERIVATIONS_SCHEMA, Derivations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..database import Database
    from ..image import CacheRecord
    from .keys import Key
    from .worker import Ref

__all__ = ["SCHEMAS", "CacheStore", "Record"]

_SCHEMA = Schema(
    "cache",
    3,
    (
        LEASE_TABLE,
        (
            "CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY, refs BLOB NOT NULL, created REAL NOT NULL,"
            " duration_s REAL NOT NULL, name TEXT NOT NULL, last_used REAL NOT NULL DEFAULT 0,"
            " uses INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0)"
        ),
        (
            "CREATE TABLE IF NOT EXISTS keys (key BLOB PRIMARY KEY, result INTEGER NOT NULL, strong BLOB NOT NULL)"
            " WITHOUT ROWID"
        ),
        (
            "CREATE TABLE IF NOT EXISTS contents (id BLOB PRIMARY KEY, digest TEXT NOT NULL,"
            " created REAL NOT NULL DEFAULT 0) WITHOUT ROWID"
        ),
        (
            "CREATE TABLE IF NOT EXISTS durations (op BLOB PRIMARY KEY, duration_s REAL NOT NULL,"
            " created REAL NOT NULL DEFAULT 0) WITHOUT ROWID"
        ),
    ),
    changes=(
        (3, "ALTER TABLE results ADD COLUMN last_used REAL NOT NULL DEFAULT 0"),
        (3, "ALTER TABLE results ADD COLUMN uses INTEGER NOT NULL DEFAULT 0"),
        (3, "ALTER TABLE results ADD COLUMN lease INTEGER NOT NULL DEFAULT 0"),
        (3, "UPDATE results SET last_used = created, uses = 1"),
        (3, "DROP TABLE IF EXISTS contents"),
        (3, "DROP TABLE IF EXISTS durations"),
    ),
)
SCHEMAS = (_SCHEMA, DERIVATIONS_SCHEMA)  # all that a CacheStore needs
_FRESH_S = 3600.0  # what was used within this time is not written again for what lies above it


@frozen(kw_only=False)
class Record:
    """A stored result: one ref per output, and the key its users' strong keys are made of.

    `number` is its row's, 0 for one that is not in the store; `last_used` in seconds since 1970.
    """

    refs: tuple[Ref, ...]
    strong: Key
    number: int = 0
    last_used: float = 0.0


class CacheStore:
    """Look-ups and records on an open database. Every method is synchronous and short."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.derivations = Derivations(database)

    def transaction(self) -> AbstractContextManager[None]:
        """Everything recorded inside, or nothing; between a look-up and a use in it, nobody cleans up."""
        return self._database.transaction()

    def version(self) -> int:
        """See `Database.version`: while it stays the same, nobody else has recorded anything."""
        return self._database.version()

    def find(self, keys: Iterable[Key]) -> dict[Key, Record]:
        """The records known under these keys; keys without one are absent. Raises DamagedError."""
        rows = self._database.query_in(
            "SELECT key, refs, strong, result, last_used FROM keys JOIN results ON results.id = result WHERE key IN ()",
            keys,
        )
        with self._database.decoding():
            return {
                key: Record(tuple(tuple(ref) for ref in unpack(refs)), strong, number, last_used)
                for key, refs, strong, number, last_used in rows
            }

    def use(self, records: Iterable[Record]) -> bool:
        """Say that the results are needed; False when one of them was removed since it was found."""
        numbers = {record.number for record in records}
        if not numbers:
            return True
        used = self._database.change(
            f"UPDATE results SET last_used = ?, uses = uses + 1, lease = {LATEST}"  # noqa: S608  a constant
            " WHERE id IN (SELECT value FROM json_each(?))",
            (time.time(), str(sorted(numbers))),
        )
        return used == len(numbers)

    def keep_below(self, records: Iterable[Record], keys: Iterable[Key]) -> None:
        """What these results spared looking for has served as well: it must not grow old while they are used.

        `keys`: of the vertices below them. Written at most once in an hour.
        """
        now = time.time()
        if all(now - record.last_used < _FRESH_S for record in records):
            return
        self._database.query_in(
            "UPDATE results SET last_used = ? WHERE id IN (SELECT result FROM keys WHERE key IN ())", keys, (now,)
        )

    def record(self, records: Sequence[CacheRecord]) -> None:
        """Store results under all their keys; what those named before is forgotten."""
        now = time.time()
        with self._database.transaction():
            self._insert(records, uses=1)
            self._database.insert(
                "INSERT OR REPLACE INTO durations VALUES",
                [(record.op, record.duration_s, now) for record in records],
            )

    def _insert(self, records: Sequence[CacheRecord], *, uses: int) -> None:
        """To be called inside a transaction, which keeps the numbers from being another's."""
        now = time.time()
        ((last, lease),) = self._database.query(f"SELECT (SELECT coalesce(max(id), 0) FROM results), {LATEST}")  # noqa: S608  constants
        numbered = list(enumerate(records, last + 1))
        self._database.insert(
            "INSERT INTO results (id, refs, created, duration_s, name, last_used, uses, lease) VALUES",
            [
                (number, pack(record.refs), now, record.duration_s, record.name, now, uses, lease)
                for number, record in numbered
            ],
        )
        self._database.insert(
            "INSERT OR REPLACE INTO keys VALUES",
            [(key, number, record.strong) for number, record in numbered for key in record.keys],
        )

    def durations(self, ops: Iterable[Key]) -> dict[Key, float]:
        """Seconds that these ops took the last time; those never performed are absent."""
        return dict(self._database.query_in("SELECT op, duration_s FROM durations WHERE op IN ()", ops))

    def alias(self, key: Key, known: Key) -> None:
        """Let `key` name what `known` names."""
        self._database.execute(
            "INSERT OR REPLACE INTO keys SELECT ?, result, strong FROM keys WHERE key = ?", (key, known)
        )

    def adopt(
        self,
        records: Sequence[CacheRecord],
        contents: Iterable[tuple[Key, Digest]],
        available: Callable[[Ref], bool],
    ) -> int:
        """Take in what another store knew; how many results that were.

        A result that is known here already stays, unless its layers are gone: `available` says so. What is remembered
        of durations and contents stays too.
        """
        known = self.find({key for record in records for key in record.keys})
        adopted = [record for record in records if not self._stays(record, known, available)]
        with self._database.transaction():
            self._insert(adopted, uses=0)
            now = time.time()
            self._database.insert(
                "INSERT OR IGNORE INTO durations VALUES",
                [(record.op, record.duration_s, now) for record in records if record.duration_s],
            )
            self._database.insert(
                "INSERT OR IGNORE INTO contents VALUES", [(memo, digest, now) for memo, digest in contents]
            )
        return len(adopted)

    def _stays(self, record: CacheRecord, known: Mapping[Key, Record], available: Callable[[Ref], bool]) -> bool:
        for found in map(known.get, record.keys):
            if found is None or not (found.refs == record.refs or all(map(available, found.refs))):
                return False
        return True

    def contents(self, memos: Iterable[Key]) -> dict[Key, Digest]:
        """What is remembered of these; the others are absent."""
        rows = self._database.query_in("SELECT id, digest FROM contents WHERE id IN ()", memos)
        return {memo: Digest(digest) for memo, digest in rows}

    def content(self, memo: Key) -> Digest | None:
        rows = self._database.query("SELECT digest FROM contents WHERE id = ?", (memo,))
        return Digest(rows[0][0]) if rows else None

    def remember_content(self, memo: Key, digest: Digest) -> None:
        self._database.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", (memo, digest, time.time()))
