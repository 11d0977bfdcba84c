"""The worker's tables, as cleaning up needs them: every layer and every noted use at once, and what goes with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..database import Database

__all__ = ["LayerFacts", "Upkeep", "UseFacts", "disk_bytes"]

_BLOCK_BYTES = 512  # what st_blocks counts in, stat(2)


@frozen(kw_only=False)
class LayerFacts:
    """What is known of a layer. `blob` "": not packed. `disk_bytes` -1: not measured. Times in seconds since 1970."""

    id: str
    created: str
    blob: str
    origin: str
    last_used: float
    uses: int
    lease: int
    disk_bytes: int


@frozen(kw_only=False)
class UseFacts:
    """A cache mount, a mirror, what is remembered of a context, a source's layer; see `uses.py`."""

    name: str
    id: str
    created: float
    last_used: float
    uses: int
    lease: int
    disk_bytes: int
    measured: float


class Upkeep:
    """The tables `layers`, `forms`, `uses` and `downloads`, on an open database. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def layers(self) -> dict[str, LayerFacts]:
        """Every layer that has a row, by name."""
        rows = self._database.query(
            "SELECT id, created, digest, origin, last_used, uses, lease, disk_bytes FROM layers"
        )
        return {row[0]: LayerFacts(*row) for row in rows}

    def forms(self) -> list[tuple[str, str]]:
        """The blobs of layers in other compressions: digest and layer of each."""
        return [(digest, layer) for digest, layer in self._database.query("SELECT digest, layer FROM forms")]

    def uses(self, kind: str) -> dict[str, UseFacts]:
        """What was used of a kind, by name."""
        rows = self._database.query(
            "SELECT name, id, created, last_used, uses, lease, disk_bytes, measured FROM uses WHERE kind = ?", (kind,)
        )
        return {row[0]: UseFacts(*row) for row in rows}

    def layers_measured(self, sizes: Mapping[str, int]) -> None:
        """Remember what layers take on the disk: they never change."""
        rows = [(size, layer) for layer, size in sizes.items()]
        self._database.execute_many("UPDATE layers SET disk_bytes = ? WHERE id = ?", rows)

    def use_measured(self, kind: str, facts: UseFacts, size_bytes: int) -> None:
        """Remember what something took, until it is used again."""
        self._database.execute(
            "UPDATE uses SET disk_bytes = ?, measured = ? WHERE kind = ? AND name = ? AND last_used = ?",
            (size_bytes, facts.last_used, kind, facts.name, facts.last_used),
        )

    def forget_layers(self, ids: Iterable[str]) -> None:
        rows = [(layer,) for layer in ids]
        self._database.execute_many("DELETE FROM layers WHERE id = ?", rows)
        self._database.execute_many("DELETE FROM forms WHERE layer = ?", rows)

    def forget_forms(self, digests: Iterable[str]) -> None:
        self._database.execute_many("DELETE FROM forms WHERE digest = ?", [(digest,) for digest in digests])

    def forget_downloads(self, layers: Iterable[str]) -> None:
        """The files that are these layers have to be downloaded again."""
        self._database.execute_many("DELETE FROM downloads WHERE layer = ?", [(layer,) for layer in layers])

    def forget_sizes(self, ids: Iterable[str]) -> None:
        """The unpacked form of these layers is gone; unpacked again, they may take another size."""
        self._database.execute_many("UPDATE layers SET disk_bytes = -1 WHERE id = ?", [(layer,) for layer in ids])

    def forget_uses(self, kind: str, names: Iterable[str]) -> None:
        self._database.execute_many("DELETE FROM uses WHERE kind = ? AND name = ?", [(kind, name) for name in names])


def disk_bytes(path: str) -> int:
    """What a file, or a folder with all that is in it, takes on the disk. What disappears meanwhile counts as nothing.

    A file with several names counts once; one with names elsewhere too counts in full.
    """
    try:
        top = os.lstat(path)
    except FileNotFoundError:
        return 0
    blocks = top.st_blocks
    seen: set[int] = set()
    folders = [path] if os.path.isdir(path) and not os.path.islink(path) else []
    while folders:
        try:
            with os.scandir(folders.pop()) as scan:
                for entry in scan:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif found.st_nlink > 1:
                        if found.st_ino in seen:
                            continue
                        seen.add(found.st_ino)
                    blocks += found.st_blocks
        except (FileNotFoundError, PermissionError):
            continue
    return blocks * _BLOCK_BYTES
