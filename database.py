"""`state.db`: one SQLite file that several rooms keep tables in. The one module that opens it.

Each room hands over its schema as (name, version, statements); versions are kept in the table
`schema`, and a file written by a newer llbuild is refused rather than guessed at. Write-ahead
logging, so that many processes read while one writes; no fsync per commit: a crash of the machine
may lose the last records, never the file (sqlite.org/wal.html, "Durability"), and a record lost is a
cache miss.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from _thread import RLock
from typing import TYPE_CHECKING, Any

from .errors import DamagedError, LlbuildError, StoreError
from .values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Database", "Schema", "open_database", "set_aside", "storable"]

BUSY_TIMEOUT_S = 30
_LONG_LOG_BYTES = 1 << 18  # reading as much back costs a build a quarter of a millisecond, folding it in two
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# A table that is not there though the schema says so; text that is no UTF-8.
_DAMAGE_SEEN = ("no such table", "no such column", "Could not decode")
_BATCH = 500  # SQLite allows 32,766 parameters; beyond a few hundred there is nothing to gain
_ROWS = 64  # of an INSERT
_FULL = frozenset({sqlite3.SQLITE_FULL})
_PRIMARY_CODE = 0xFF  # of an error code; the rest says more about it


@frozen(kw_only=False)
class Schema:
    """A room's tables. `changes` bring those of older versions up to date; then `statements` create what is absent.

    A change is a version and a statement that leads to it.
    """

    name: str
    version: int
    statements: tuple[str, ...]
    changes: tuple[tuple[int, str], ...] = ()


class Database:
    """An open `state.db`. May be used from several threads: statements wait for each other."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._inode = _inode(path)
        # One connection is one transaction, so a thread inside one keeps the others out. A lock here
        # is what lets every caller be a plain synchronous function.
        self._lock = RLock()  # of _thread: threading, which only names it, takes a millisecond to import

    def query(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT. Raises StoreError."""
        with self._lock, self._errors():
            return self._connection.execute(statement, values).fetchall()

    def query_in(
        self, statement: str, wanted: Iterable[object], values: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows of a statement that ends in `IN ()`, or has it once, for any number of values there.

        values: of the parameters before it. An UPDATE may be run so, too: it has no rows. Raises StoreError.
        """
        listed = list(wanted)
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(listed), _BATCH):
            batch = listed[start : start + _BATCH]
            rows += self.query(statement.replace("IN ()", f"IN ({','.join('?' * len(batch))})"), (*values, *batch))
        return rows

    def version(self) -> int:
        """A number that is another one once another process or connection has written. Raises StoreError.

        sqlite.org/pragma.html#pragma_data_version
        """
        ((number,),) = self.query("PRAGMA data_version")
        return int(number)

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the id of the row it inserted. Raises StoreError."""
        with self._lock, self._errors():
            return self._connection.execute(statement, values).lastrowid or 0

    def change(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run an UPDATE or a DELETE; returns how many rows it changed. Raises StoreError."""
        with self._lock, self._errors():
            return self._connection.execute(statement, values).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for every row, as one transaction. Raises StoreError."""
        with self.transaction(), self._errors():
            self._connection.executemany(statement, rows)

    def insert(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement that ends in `VALUES` for rows of one length, as one transaction. Raises StoreError.

        Many at a time: between two statements another thread gets its turn, and changing turns costs a third more.
        """
        if not rows:
            return
        row = f"({','.join('?' * len(rows[0]))})"
        whole = len(rows) - len(rows) % _ROWS
        with self.transaction(), self._errors():
            many = f"{statement} {','.join([row] * _ROWS)}"
            for start in range(0, whole, _ROWS):
                self._connection.execute(many, [item for values in rows[start : start + _ROWS] for item in values])
            self._connection.executemany(f"{statement} {row}", rows[whole:])

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
                self.execute("COMMIT")
            except BaseException:
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    def settle(self) -> None:
        """Fold a long write-ahead log into the file: whoever opens the database next reads all of it first.

        Short ones are left alone, since this waits for the disk; and so is one that another process is using.
        """
        try:
            long = os.stat(f"{self._path}-wal").st_size > _LONG_LOG_BYTES
        except OSError:  # there is none
            return
        if long:
            with self._lock, self._errors():
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")

    def check(self) -> None:
        """Read all of it. Raises DamagedError."""
        complaints = [row[0] for row in self.query("PRAGMA integrity_check(1)")]
        if complaints != ["ok"]:
            raise self._damaged(str(complaints[0]))

    @contextlib.contextmanager
    def decoding(self) -> Iterator[None]:
        """For turning rows into values: what does not decode is damage. Raises DamagedError."""
        try:
            yield
        except (ValueError, TypeError, LlbuildError) as error:
            raise self._damaged(f"a record makes no sense: {error}") from None

    def _damaged(self, reason: str) -> DamagedError:
        return DamagedError(
            f"{self._path} is damaged: {reason}",
            path=self._path,
            inode=self._inode,
            hint="'llbuild verify --repair' sets it aside; so does the next build",
        )

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
            words = str(error)
            if code in _DAMAGE or words.startswith(_DAMAGE_SEEN):
                raise self._damaged(words) from None
            hint = "free some space on that disk" if code in _FULL else ""
            raise StoreError(f"the cache database refuses: {words}", hint=hint) from None


def open_database(path: str | os.PathLike[str], schemas: Sequence[Schema]) -> Database:
    """Open or create the database with these tables in it.

    Raises StoreError when the file is of a newer version or cannot be opened, DamagedError when it is no database.
    """
    path = os.fspath(path)
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
        if isinstance(error, _NewerError | DamagedError):
            raise
        raise StoreError(f"cannot read {path}: {error.message}", hint=error.hint) from None
    return database


def set_aside(damage: DamagedError) -> str:
    """Move a damaged database out of the way, unless another process has done so already; where it is now."""
    aside = f"{damage.path}.damaged"
    folder = os.open(os.path.dirname(damage.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _inode(damage.path) == damage.inode:
            for suffix in (
                "-shm",
                "-wal",
                "",
            ):  # a log without its database is of no use, and would be read into the next
                with contextlib.suppress(FileNotFoundError):
                    os.replace(damage.path + suffix, aside + suffix)
    except OSError as error:
        raise StoreError(f"cannot move {damage.path} away: {error.strerror}", hint="it is damaged; remove it") from None
    finally:
        os.close(folder)
    return aside


def storable(text: str) -> str:
    """`text` as UTF-8 can hold it, what cannot be said as `?`: names of files need not be text."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _inode(path: str) -> int:
    """0 when there is no such file."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


class _NewerError(StoreError):
    pass


def _versions(database: Database) -> dict[str, int]:
    if not database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema'"):
        return {}
    return dict(database.query("SELECT name, version FROM schema"))


def _create(database: Database, path: str, schemas: Sequence[Schema]) -> None:
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
            changes = [] if version is None else [text for leads_to, text in schema.changes if version < leads_to]
            for statement in (*changes, *schema.statements):
                database.execute(statement)
            database.execute("INSERT OR REPLACE INTO schema VALUES (?, ?)", (schema.name, schema.version))
