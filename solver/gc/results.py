"""The cache store, as cleaning up needs it: every result at once, and what disappears with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ...llb.codec import unpack
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...database import Database
    from ..worker import Ref

__all__ = ["STALE_AGE_S", "StoredResult", "forget_results", "forget_stale_memos", "stored_results"]

STALE_AGE_S: Final = 60 * 86400.0  # rows are small, and found again; nobody asks for older ones


@frozen(kw_only=False)
class StoredResult:
    """A result with what is known of its use; see `..store`. `found`: a key leads to it."""

    number: int
    refs: tuple[Ref, ...]
    name: str
    created: float
    last_used: float
    uses: int
    lease: int
    found: bool

    @property
    def layers(self) -> frozenset[str]:
        return frozenset(layer for ref in self.refs for layer in ref)


def stored_results(database: Database) -> list[StoredResult]:
    """All of them. Raises StoreError."""
    rows = database.query(
        "SELECT id, refs, name, created, last_used, uses, lease, id IN (SELECT result FROM keys) FROM results"
    )
    with database.decoding():
        return [
            StoredResult(
                number, tuple(tuple(ref) for ref in unpack(refs)), name, created, used, uses, lease, bool(found)
            )
            for number, refs, name, created, used, uses, lease, found in rows
        ]


def forget_results(database: Database, results: Iterable[StoredResult]) -> None:
    """Drop results and the keys that lead to them."""
    numbers = [(result.number,) for result in results]
    if not numbers:
        return
    database.execute_many("DELETE FROM results WHERE id = ?", numbers)
    database.execute("DELETE FROM keys WHERE result NOT IN (SELECT id FROM results)")


def forget_stale_memos(database: Database) -> None:
    """Drop what was computed long ago and can be computed again."""
    before = time.time() - STALE_AGE_S
    database.execute("DELETE FROM contents WHERE created < ?", (before,))
    database.execute("DELETE FROM durations WHERE created < ?", (before,))
