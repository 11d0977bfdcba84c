"""The state folder, opened: what every command that touches the store begins with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import solver
from ..database import open_database, set_aside
from ..errors import DamagedError, StoreError
from ..leases import Leases
from ..solver import CacheStore
from ..values import frozen
from ..worker import SCHEMA as LAYERS_SCHEMA
from ..worker import USES_SCHEMA, ContentStore, LayerRecords, UseRecords
from ..worker.snapshot import LayerStore

if TYPE_CHECKING:
    from ..database import Database
    from ..worker import CacheMounts

__all__ = ["State", "open_state", "replace_damaged"]


@frozen
class State:
    """The stores of one state folder. DESIGN of the folder: docs/architecture.md."""

    root: Path
    database: Database
    content: ContentStore
    layers: LayerStore
    records: LayerRecords
    cache: CacheStore
    leases: Leases
    uses: UseRecords

    @property
    def cache_mounts(self) -> CacheMounts:
        from ..worker import CacheMounts

        return CacheMounts(self.root / "cache-mounts", self.uses)


def open_state(root: str, *, userxattr: bool | None = None) -> State:
    """Open the state folder, making it when it is not there. A damaged database is set aside, and that is said.

    userxattr: whether layers keep overlayfs's marks in user.* attributes; None: as this process must.
    Raises StoreError when the folder cannot be made, written or read.
    """
    path = Path(root)
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the state folder {root}: {error.strerror}", hint="choose another with --root DIR"
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise StoreError(f"the state folder {root} is not writable", hint="choose another with --root DIR")
    database = _open_database(path / "state.db")
    # Only root may set trusted.* attributes; in a user namespace overlay keeps its marks in user.*.
    layers = LayerStore(path, userxattr=os.geteuid() != 0 if userxattr is None else userxattr)
    return State(
        root=path,
        database=database,
        content=ContentStore(path),
        layers=layers,
        records=LayerRecords(database),
        cache=CacheStore(database),
        leases=Leases(database, str(path / "locks" / "leases")),
        uses=UseRecords(database),
    )


def _open_database(path: Path) -> Database:
    schemas = [solver.SCHEMA, LAYERS_SCHEMA, USES_SCHEMA]
    try:
        return open_database(path, schemas)
    except DamagedError as damage:
        replace_damaged(damage)
        return open_database(path, schemas)


def replace_damaged(damage: DamagedError) -> None:
    """Set a damaged database aside, and say so: what was cached is built again. Images are not in it."""
    aside = set_aside(damage)
    print(f"warning: {damage.message}; it is now {aside}, and a new one begins", file=sys.stderr)
