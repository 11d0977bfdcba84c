"""Leases: who is at work in a state folder, so that cleaning up never takes away what they need.

    with leases.take():      # before the first look-up
        …look up, perform, export…

A lease is a number, one larger than all given out before, and a lock on the byte of that number in one file, held with
fcntl(2)'s OFD locks: whatever ends a process ends its lease, in whatever pid namespace it ran. Whoever uses a
stored thing writes the newest number into its row (`LATEST`). So a row whose number is at least that of the oldest
live lease may be in use; one with a smaller number is not, whatever any clock says.

Why nothing is lost when process A cleans up while B plans. A decides, deletes rows and moves folders and files out of
sight inside one write transaction of `state.db`; SQLite lets nobody else write meanwhile. Then:

- B takes its lease while A decides. Taking one writes, so B waits; it looks up afterwards, and finds what A left.
- B has its lease, and has found a result that A is about to remove. Using a result writes its row. If B writes first, A
  sees a number that is not below B's lease, and keeps the result with all its layers. If A commits first, B's
  statement changes no row: B knows that it came too late, and plans again.
- B has its number, but not its lock yet. It has looked nothing up, so it has nothing to lose.
- B has made a layer that no row names yet, or a blob. Such a file is kept while it is younger than the oldest live
  lease, and while a lease lives across a change of the clock: only clocks tell the age of files.
- B finds a manifest or a config of its image in the store that nothing names, and so does not write it. It names its
  image, which excludes A, and then looks again.
- A dies half-way: its rows come back, and what it moved out of sight is a miss.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

from .bytelocks import READ, lock_byte, one_locked, open_lock_file
from .values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .database import Database

__all__ = ["LATEST", "LEASE_TABLE", "Leases", "LiveLeases"]

LEASE_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS leases (number INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started REAL NOT NULL,"
    " booted REAL NOT NULL)"
)
LATEST: Final = "(SELECT coalesce(max(number), 0) FROM leases)"  # an expression of SQL

_CLOCK_STEP_S = 1.0  # two clocks drift apart by less, unless somebody sets one


@frozen(kw_only=False)
class LiveLeases:
    """The leases held at one moment; `numbers` in order, empty when nobody is at work."""

    numbers: tuple[int, ...]
    since: float  # seconds since 1970 when the oldest began; what is younger may be theirs

    def may_use(self, number: int) -> bool:
        """Whether a holder may use what was last used under this number."""
        return bool(self.numbers) and number >= self.numbers[0]

    def may_have_made(self, changed_at: float) -> bool:
        """Whether a holder may have made a file of that time, which no row names."""
        return bool(self.numbers) and changed_at >= self.since


class Leases:
    """The leases of one state folder. Synchronous; each call costs a statement and a lock."""

    def __init__(self, database: Database, path: str) -> None:
        """path: of the lock file, which is made when the first lease is taken."""
        self._database = database
        self._path = path

    @contextlib.contextmanager
    def take(self) -> Iterator[int]:
        """Hold a lease; its number. Raises StoreError."""
        file = open_lock_file(self._path)
        try:
            number = self._database.execute(
                f"INSERT INTO leases (number, pid, started, booted) VALUES ({LATEST} + 1, ?, ?, ?)",  # noqa: S608
                (os.getpid(), time.time(), _booted()),
            )
            # Shared: in a database that was set aside meanwhile the number may have been given to somebody else.
            lock_byte(file, number, READ)
            yield number
        finally:
            os.close(file)

    def live(self) -> LiveLeases:
        """Who is at work. Only inside a transaction is it still true when the caller reads it.

        Rows of leases that ended are dropped; the newest stays, or its number would be given out again.
        """
        file = open_lock_file(self._path)
        try:
            numbers = tuple(_held(file))
        finally:
            os.close(file)
        marks = ",".join("?" * len(numbers))
        self._database.execute(
            f"DELETE FROM leases WHERE number < {LATEST} AND number NOT IN ({marks})",  # noqa: S608  only question marks
            numbers,
        )
        rows = self._database.query(f"SELECT started, booted FROM leases WHERE number IN ({marks})", numbers)  # noqa: S608
        since = min((started for started, _ in rows), default=time.time()) - _CLOCK_STEP_S
        stepped = any(abs(_booted() - booted) > _CLOCK_STEP_S for _, booted in rows)
        # A number that is locked but has no row is of a database that was set aside meanwhile.
        return LiveLeases(numbers, 0.0 if stepped or len(rows) < len(numbers) else since)


def _booted() -> float:
    """When this machine was started, in seconds since 1970, as its clock has it now: moves only when that is set."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _held(file: int) -> list[int]:
    """The numbers that are locked, in order. The kernel names one at a time, not always the first."""
    found: list[int] = []
    gaps = [(0, 0)]  # start, length; 0 is up to the end
    while gaps:
        start, length = gaps.pop()
        held = one_locked(file, start, length)
        if held is None:
            continue
        found.append(held)
        if held > start:
            gaps.append((start, held - start))
        if length == 0 or held + 1 < start + length:
            gaps.append((held + 1, 0 if length == 0 else start + length - held - 1))
    return sorted(found)
