"""The state folder, opened: what every command that touches the store begins with."""

from __future__ import annotations

import os
import sys
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
from .remembered import COMPILATIONS_SCHEMA, RememberedCompilations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..database import Database, Schema
    from ..worker import CacheHolds, Client, HandedFile
    from ..worker.source import Pins, RemoteSources

__all__ = ["State", "open_builds", "open_explanations", "open_history", "open_state", "replace_damaged"]

# all that `state.db` holds
_SCHEMAS = (
    *solver.SCHEMAS,
    solver.HISTORY_SCHEMA,
    LAYERS_SCHEMA,
    USES_SCHEMA,
    DOWNLOADS_SCHEMA,
    SCANS_SCHEMA,
    COMPILATIONS_SCHEMA,
)


@frozen
class State:
    """The stores of one state folder. DESIGN of the folder: docs/architecture.md."""

    folder: str
    database: Database
    content: ContentStore
    layers: LayerStore
    records: LayerRecords
    cache: CacheStore
    leases: Leases
    uses: UseRecords

    @property
    def root(self) -> Path:
        """The state folder. pathlib costs a twentieth of a cached build, which never asks for this."""
        from pathlib import Path

        return Path(self.folder)

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
        folders: Mapping[str, str],
        files: Mapping[str, HandedFile] | None = None,
        *,
        pins: Pins | None = None,
    ) -> Prober:
        """For a build of these folders of the client's, by context name, and files, by URL. pins: what its sources
        are held to.
        """
        digests = f"{self.folder}/contexts"
        contexts = Contexts(folders, files=files, hidden=self.folder, digests=digests, uses=self.uses)
        return Prober(layers=self.layers, content=self.content, records=self.records, contexts=contexts, pins=pins)


def open_state(root: str, *, userxattr: bool | None = None) -> State:
    """Open the state folder, making it when it is not there. A damaged database is set aside, and that is said.

    userxattr: whether layers keep overlayfs's marks in user.* attributes; None: as this process must.
    Raises StoreError when the folder cannot be made, written or read.
    """
    try:
        os.makedirs(root, 0o711, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the state folder {root}: {error.strerror}", hint="choose another with --root DIR"
        ) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise StoreError(f"the state folder {root} is not writable", hint="choose another with --root DIR")
    database = _open(f"{root}/state.db", _SCHEMAS)
    if userxattr is None:  # only root may set trusted.* attributes; in a user namespace overlay keeps marks in user.*
        userxattr = marks_in_user_attributes()
    layers = LayerStore(root, userxattr=userxattr)
    return State(
        folder=root,
        database=database,
        content=ContentStore(root),
        layers=layers,
        records=LayerRecords(database),
        cache=CacheStore(database),
        leases=Leases(database, f"{root}/locks/leases"),
        uses=UseRecords(database),
    )


def open_history(root: str) -> History:
    """The builds of a state folder, to read; an empty history where nothing was built yet. Makes no folder."""
    return History(_open_to_read(root, [solver.HISTORY_SCHEMA]))


def open_builds(root: str) -> tuple[History, RememberedCompilations]:
    """The builds of a state folder, and what their build files were compiled to; likewise."""
    database = _open_to_read(root, [solver.HISTORY_SCHEMA, COMPILATIONS_SCHEMA])
    return History(database), RememberedCompilations(database)


def open_explanations(root: str) -> tuple[History, Derivations]:
    """The builds of a state folder, and what the keys of their steps were made of; likewise."""
    database = _open_to_read(root, [*solver.SCHEMAS, solver.HISTORY_SCHEMA])
    return History(database), Derivations(database)


def _open_to_read(root: str, schemas: Sequence[Schema]) -> Database:
    path = f"{root}/state.db"
    return _open(path if os.path.exists(path) else ":memory:", schemas)


def _open(path: str, schemas: Sequence[Schema]) -> Database:
    try:
        return open_database(path, schemas)
    except DamagedError as damage:
        print(f"warning: {replace_damaged(damage)}", file=sys.stderr)
        return open_database(path, schemas)


def replace_damaged(damage: DamagedError) -> str:
    """Set a damaged database aside; that, in words. What was cached is built again; images are not in it."""
    return f"{damage.message}; it is now {set_aside(damage)}, and a new one begins"
