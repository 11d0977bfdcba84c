"""`state.db`: one SQLite file that several rooms keep tables in. The one module that opens it.

Each room hands over its schema as (name, version, statements); versions are kept in the table
`schema`, and a file written by a newer llbuild is refused rather than guessed at. Write-ahead
logging, so that many processes read while one writes; no fsync per commit: a crash of the machine
may lose the last records, never the file (sqlite.org/wal.html, "Durability"), and a record lost is a
cache miss.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from .errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Schema", "open_database", "transaction"]

BUSY_TIMEOUT_S = 30


class Schema(NamedTuple):
    """A room's tables. `statements` create them when they are absent."""

    name: str
    version: int
    statements: tuple[str, ...]


def open_database(path: Path, schemas: Sequence[Schema]) -> sqlite3.Connection:
    """Open or create the database with these tables in it.

    The connection may be used from any one thread at a time. Raises StoreError when the file is of a
    newer version, is no database, or cannot be opened.
    """
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from None
    try:
        known = _versions(connection)
        if any(known.get(schema.name) != schema.version for schema in schemas):
            _create(connection, path, schemas)
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(
            f"cannot read {path}: {error}", hint="move the file away: it is a cache, and will be built anew"
        ) from None
    except StoreError:
        connection.close()
        raise
    return connection


def _versions(connection: sqlite3.Connection) -> dict[str, int]:
    try:
        return dict(connection.execute("SELECT name, version FROM schema"))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return {}
        raise


def _create(connection: sqlite3.Connection, path: Path, schemas: Sequence[Schema]) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        known = _versions(connection)  # again: another process may have been faster
        for schema in schemas:
            version = known.get(schema.name)
            if version is not None and version > schema.version:
                raise StoreError(
                    f"{path} was written by a newer llbuild ({schema.name} {version}, this one knows {schema.version})",
                    hint="use that llbuild, or another folder with --root",
                )
            for statement in schema.statements:
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (schema.name, schema.version))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements inside, or none. Takes the write lock at once, so it never fails half-way for being late."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
