"""What is used that no result names: cache mounts, mirrors of repositories, what is remembered of build contexts.

Layers that sources made are noted as well, which tells them from those of steps.

    uses(kind, name, id, created, last_used, uses, lease, disk_bytes, measured)

`kind` is a record type of `llbuild du`; `name` what the thing is called in the state folder, `id` what people call it.
`disk_bytes` is what it took on the disk at its use of time `measured`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ..database import Schema, storable
from ..leases import LATEST, LEASE_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..database import Database

__all__ = ["CACHE_MOUNT", "GIT_CHECKOUT", "GIT_MIRROR", "HTTP_FILE", "USES_SCHEMA", "UseRecords"]

CACHE_MOUNT: Final = "exec.cachemount"
GIT_MIRROR: Final = "source.git"
GIT_CHECKOUT: Final = "source.git.checkout"  # a layer
HTTP_FILE: Final = "source.http"  # a layer

USES_SCHEMA = Schema(
    "uses",
    1,
    (
        LEASE_TABLE,
        """CREATE TABLE IF NOT EXISTS uses (
            kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, created REAL NOT NULL, last_used REAL NOT NULL,
            uses INTEGER NOT NULL, lease INTEGER NOT NULL, disk_bytes INTEGER NOT NULL DEFAULT -1,
            measured REAL NOT NULL DEFAULT 0, PRIMARY KEY (kind, name)
        ) WITHOUT ROWID""",
    ),
)


class UseRecords:
    """The table, on an open database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, kind: str, things: Iterable[tuple[str, str]]) -> None:
        """These things, (name, id) each, are about to be used. Raises StoreError."""
        now = time.time()
        self._database.execute_many(
            f"INSERT INTO uses (kind, name, id, created, last_used, uses, lease) VALUES (?, ?, ?, ?, ?, 1, {LATEST})"  # noqa: S608  a constant
            " ON CONFLICT (kind, name) DO UPDATE SET"
            " last_used = excluded.last_used, uses = uses + 1, lease = excluded.lease",
            [(kind, name, storable(text), now, now) for name, text in things],
        )
