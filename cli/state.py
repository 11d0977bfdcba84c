"""The state folder, opened: what every command that touches the store begins with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import solver
from ..database import open_database, set_aside
from ..errors import DamagedError, StoreError
from ..exporter.sbom import SCANS_SCHEMA
from ..leases import Leases
from ..solver import CacheStore, Derivations, History
from ..values import frozen
from ..worker import SCHEMA as LAYERS_SCHEMA
from ..worker import USES_SCHEMA, ContentStore, Contexts, LayerRecords, Prober, UseRecords, marks_in_user_attributes
from ..worker.snapshot import LayerStore
from ..worker.source import DOWNLOADS_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..database import Database, Schema
    from ..worker import CacheHolds, Client, HandedFile
    from ..worker.source import Pins, RemoteSources

__all__ = ["State", "open_explanations", "open_history", "open_state", "replace_damaged"]

# all that `state.db` holds
_SCHEMAS = (*solver.SCHEMAS, solver.HISTORY_SCHEMA, LAYERS_SCHEMA, USES_SCHEMA, DOWNLOADS_SCHEMA, SCANS_SCHEMA)


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
    def caches(self) -> CacheHolds:
        """The folders of cache mounts."""
        from ..worker import CacheHolds

        locks = self.root / "locks" / "cache-mounts"
        return CacheHolds(self.root / "cache-mounts", locks, layers=self.layers, uses=self.uses)

    def remote_sources(self, prober: Prober, client: Client | None = None) -> RemoteSources:
        """For one build, and its prober; `client` logs in."""
        from ..worker.source import RemoteSources

        stores = (self.root, self.layers, self.records, self.database)
        return RemoteSources(*stores, handed=prober.contexts.files, pins=prober.pins, client=client)

    def prober(
        self,
        folders: Mapping[str, Path],
        files: Mapping[str, HandedFile] | None = None,
        *,
        pins: Pins | None = None,
    ) -> Prober:
        """For a build of these folders of the client's, by context name, and files, by URL. pins: what its sources
        are held to.
        """
        digests = self.root / "contexts"
        contexts = Contexts(folders, files=files, hidden=self.root, digests=digests, uses=self.uses)
        return Prober(layers=self.layers, content=self.content, records=self.records, contexts=contexts, pins=pins)


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
    database = _open(path / "state.db", _SCHEMAS)
    if userxattr is None:  # only root may set trusted.* attributes; in a user namespace overlay keeps marks in user.*
        userxattr = marks_in_user_attributes()
    layers = LayerStore(path, userxattr=userxattr)
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


def open_history(root: str) -> History:
    """The builds of a state folder, to read; an empty history where nothing was built yet. Makes no folder."""
    return History(_open_to_read(root, [solver.HISTORY_SCHEMA]))


def open_explanations(root: str) -> tuple[History, Derivations]:
    """The builds of a state folder, and what the keys of their steps were made of; likewise."""
    database = _open_to_read(root, [*solver.SCHEMAS, solver.HISTORY_SCHEMA])
    return History(database), Derivations(database)


def _open_to_read(root: str, schemas: Sequence[Schema]) -> Database:
    path = Path(root) / "state.db"
    return _open(path if path.exists() else Path(":memory:"), schemas)


def _open(path: Path, schemas: Sequence[Schema]) -> Database:
    try:
        return open_database(path, schemas)
    except DamagedError as damage:
        print(f"warning: {replace_damaged(damage)}", file=sys.stderr)
        return open_database(path, schemas)


def replace_damaged(damage: DamagedError) -> str:
    """Set a damaged database aside; that, in words. What was cached is built again; images are not in it."""
    return f"{damage.message}; it is now {set_aside(damage)}, and a new one begins"
