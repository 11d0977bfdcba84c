"""`state.db`: one SQLite file that several rooms keep tables in. The one module that opens it.

Each room hands over its schema as (name, version, statements); versions are kept in the table
`schema`, and a file written by a newer llbuild is refused rather than guessed at. Write-ahead
logging, so that many processes read while one writes; no fsync per commit: a crash of the machine
may lose the last records, never the file (sqlite.org/wal.html, "Durability"), and a record lost is a
cache miss.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Database", "Schema", "open_database"]

BUSY_TIMEOUT_S = 30
_LONG_LOG_BYTES = 1 << 20


class Schema(NamedTuple):
    """A room's tables. `statements` create them when they are absent."""

    name: str
    version: int
    statements: tuple[str, ...]


class Database:
    """An open `state.db`. May be used from several threads: statements wait for each other."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        # One connection is one transaction, so a thread inside one keeps the others out. A lock here
        # is what lets every caller be a plain synchronous function.
        self._lock = threading.RLock()

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT. Raises StoreError."""
        with self._lock, _store_errors():
            return self._connection.execute(statement, values).fetchall()

    def version(self) -> int:
        """A number that is another one once another process or connection has written. Raises StoreError.

        sqlite.org/pragma.html#pragma_data_version
        """
        ((number,),) = self.query("PRAGMA data_version")
        return int(number)

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the id of the row it inserted. Raises StoreError."""
        with self._lock, _store_errors():
            return self._connection.execute(statement, values).lastrowid or 0

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for every row, as one transaction. Raises StoreError."""
        with self.transaction(), _store_errors():
            self._connection.executemany(statement, rows)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside, or none. Takes the write lock at once, so it never fails half-way for being late."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.execute("ROLLBACK")
                raise
            self.execute("COMMIT")

    def settle(self) -> None:
        """Fold a long write-ahead log into the file: whoever opens the database next reads all of it first.

        Short ones are left alone, since this waits for the disk; and so is one that another process is using.
        """
        try:
            long = os.stat(f"{self._path}-wal").st_size > _LONG_LOG_BYTES
        except OSError:  # there is none
            return
        if long:
            with self._lock, _store_errors():
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def open_database(path: Path, schemas: Sequence[Schema]) -> Database:
    """Open or create the database with these tables in it.

    Raises StoreError when the file is of a newer version, is no database, or cannot be opened.
    """
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from None
    database = Database(connection, path)
    try:
        known = _versions(database)
        if any(known.get(schema.name) != schema.version for schema in schemas):
            _create(database, path, schemas)
        database.execute("PRAGMA synchronous = NORMAL")
    except StoreError as error:
        database.close()
        if isinstance(error, _NewerError):
            raise
        hint = "move the file away: it is a cache, and will be built anew"
        raise StoreError(f"cannot read {path}: {error.message}", hint=hint) from None
    return database


class _NewerError(StoreError):
    pass


def _versions(database: Database) -> dict[str, int]:
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema'"):
        return {}
    return dict(database.query("SELECT name, version FROM schema"))


def _create(database: Database, path: Path, schemas: Sequence[Schema]) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    with database.transaction():
        database.execute("CREATE TABLE IF NOT EXISTS schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        known = _versions(database)  # again: another process may have been faster
        for schema in schemas:
            version = known.get(schema.name)
            if version is not None and version > schema.version:
                raise _NewerError(
                    f"{path} was written by a newer llbuild ({schema.name} {version}, this one knows {schema.version})",
                    hint="use that llbuild, or another folder with --root",
                )
            for statement in schema.statements:
                database.execute(statement)
            database.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (schema.name, schema.version))


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the cache database refuses: {error}") from None
