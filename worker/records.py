"""What is known about each layer: its diffID, its blob, where it can be had again.

    layers(id, created, diff_id, unpacked_bytes, digest, media_type, size_bytes, origin)
    forms(layer, form, digest, media_type, size_bytes)      the layer's blobs in other compressions

`id` is the layer's name in refs and in the layer store; `created` RFC 3339; `diff_id` and the blob's
columns are empty until the layer was packed; `origin` is the identifier of an image (or a cache) that its blob can be
fetched from, "" for layers made here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..database import Schema
from ..digest import Digest
from ..image import Descriptor, LayerBlob
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..database import Database
    from .content import ContentStore

__all__ = ["SCHEMA", "LayerRecord", "LayerRecords", "now", "ready_blob"]

SCHEMA = Schema(
    "layers",
    2,
    (
        """CREATE TABLE IF NOT EXISTS layers (
            id TEXT PRIMARY KEY, created TEXT NOT NULL, diff_id TEXT NOT NULL, unpacked_bytes INTEGER NOT NULL,
            digest TEXT NOT NULL, media_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, origin TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX IF NOT EXISTS layers_by_diff_id ON layers (diff_id)",
        """CREATE TABLE IF NOT EXISTS forms (
            layer TEXT NOT NULL, form TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
            size_bytes INTEGER NOT NULL, PRIMARY KEY (layer, form)
        ) WITHOUT ROWID""",
    ),
)
_BATCH = 500


@frozen
class LayerRecord:
    """One layer. `blob` None: not packed yet. `unpacked_bytes` is the tar's size, 0 while unknown."""

    id: str
    created: str
    diff_id: Digest | None = None
    blob: Descriptor | None = None
    unpacked_bytes: int = 0
    origin: str = ""


class LayerRecords:
    """The table, on an open database. Synchronous and short; records are replaced whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, ids: Iterable[str]) -> dict[str, LayerRecord]:
        """The records of these layers; those without one are absent."""
        wanted = list(ids)
        found: dict[str, LayerRecord] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            query = f"SELECT * FROM layers WHERE id IN ({marks})"  # noqa: S608  only question marks
            rows = self._database.query(query, batch)
            found.update((row[0], _read(row)) for row in rows)
        return found

    def form(self, layer: str, form: str) -> Descriptor | None:
        """The layer's blob in a compression that is not its own."""
        query = "SELECT media_type, digest, size_bytes FROM forms WHERE layer = ? AND form = ?"
        rows = self._database.query(query, (layer, form))
        return Descriptor(media_type=rows[0][0], digest=Digest(rows[0][1]), size_bytes=rows[0][2]) if rows else None

    def put_form(self, layer: str, form: str, blob: Descriptor) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO forms VALUES (?, ?, ?, ?, ?)",
            (layer, form, blob.digest, blob.media_type, blob.size_bytes),
        )

    def adopt(self, found: Sequence[LayerRecord], here: Callable[[LayerRecord], bool]) -> set[str]:
        """Take in where layers can be had; the names of those that are now known by it.

        here: whether a layer needs to be had from nowhere. What is here stays as it is. A layer that is known by that
        name with another diff id is not adopted: one of the two is not what it says.
        """
        known = self.get(record.id for record in found)
        adopted = set()
        with self._database.transaction():
            for record in found:
                own = known.get(record.id)
                if own is not None and own.diff_id not in (None, record.diff_id):
                    continue
                adopted.add(record.id)
                if own is None or ((own.origin, own.blob) != (record.origin, record.blob) and not here(own)):
                    self.put(record)
        return adopted

    def put(self, record: LayerRecord) -> None:
        blob = record.blob
        self._database.execute(
            "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.id,
                record.created,
                record.diff_id or "",
                record.unpacked_bytes,
                blob.digest if blob else "",
                blob.media_type if blob else "",
                blob.size_bytes if blob else 0,
                record.origin,
            ),
        )

    def named(self, diff_ids: Iterable[Digest]) -> dict[Digest, list[str]]:
        """The names of layers with these diff ids: one content may have been made here and pulled as well."""
        wanted = list(dict.fromkeys(diff_ids))
        found: dict[Digest, list[str]] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            query = f"SELECT diff_id, id FROM layers WHERE diff_id IN ({marks})"  # noqa: S608  only question marks
            for diff_id, layer in self._database.query(query, batch):
                found.setdefault(Digest(diff_id), []).append(layer)
        return found


def ready_blob(record: LayerRecord | None, content: ContentStore) -> LayerBlob | None:
    """The blob of a layer, if it was packed or fetched and the content store has it."""
    if record is None or record.blob is None or record.diff_id is None:
        return None
    if not content.has(record.blob.digest, record.blob.size_bytes):
        return None
    return LayerBlob(diff_id=record.diff_id, descriptor=record.blob, created=record.created)


def now() -> str:
    """The present moment, as an image config writes it: RFC 3339, UTC, to the microsecond."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read(row: tuple[str, str, str, int, str, str, int, str]) -> LayerRecord:
    layer, created, diff_id, unpacked, digest, media_type, size, origin = row
    blob = Descriptor(media_type=media_type, digest=Digest(digest), size_bytes=size) if digest else None
    return LayerRecord(
        id=layer,
        created=created,
        diff_id=Digest(diff_id) if diff_id else None,
        blob=blob,
        unpacked_bytes=unpacked,
        origin=origin,
    )
