"""What is known about each layer: its diffID, its blob, where it can be had again.

    layers(id, created, diff_id, unpacked_bytes, digest, media_type, size_bytes, origin, stamp, annotations, last_used,
           uses, lease, disk_bytes)
    forms(layer, form, digest, media_type, size_bytes, stamp)      the layer's blobs in other compressions

`id` is the layer's name in refs and in the layer store; `created` RFC 3339; `diff_id` and the blob's columns are empty
until the layer was packed; `origin` is the identifier of an image (or a cache) that its blob can be fetched from, ""
for layers made here; `annotations` are those of the blob's descriptor by which others read it piece by piece, as JSON;
`stamp` is what the blob's file looked like when its digest was last known to be right. The rest
is for cleaning up: use by other ways than results (see `leases.py`), and what the unpacked layer takes on the disk, -1
while unknown.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..database import Schema
from ..digest import Digest, parse_digest
from ..image import Descriptor, LayerBlob, encode_moment
from ..leases import LATEST, LEASE_TABLE
from ..values import frozen, replace
from .stamps import same_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from ..database import Database
    from .content import ContentStore

__all__ = ["SCHEMA", "LayerRecord", "LayerRecords", "now", "ready_blob", "ready_form"]

SCHEMA = Schema(
    "layers",
    3,
    (
        LEASE_TABLE,
        """CREATE TABLE IF NOT EXISTS layers (
            id TEXT PRIMARY KEY, created TEXT NOT NULL, diff_id TEXT NOT NULL, unpacked_bytes INTEGER NOT NULL,
            digest TEXT NOT NULL, media_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, origin TEXT NOT NULL,
            stamp TEXT NOT NULL DEFAULT '', last_used REAL NOT NULL DEFAULT 0, uses INTEGER NOT NULL DEFAULT 0,
            lease INTEGER NOT NULL DEFAULT 0, disk_bytes INTEGER NOT NULL DEFAULT -1,
            annotations TEXT NOT NULL DEFAULT ''
        ) WITHOUT ROWID""",
        "CREATE INDEX IF NOT EXISTS layers_by_diff_id ON layers (diff_id)",
        """CREATE TABLE IF NOT EXISTS forms (
            layer TEXT NOT NULL, form TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
            size_bytes INTEGER NOT NULL, stamp TEXT NOT NULL, PRIMARY KEY (layer, form)
        ) WITHOUT ROWID""",
    ),
    changes=(
        (2, "ALTER TABLE layers ADD COLUMN stamp TEXT NOT NULL DEFAULT ''"),
        (2, "ALTER TABLE layers ADD COLUMN last_used REAL NOT NULL DEFAULT 0"),
        (2, "ALTER TABLE layers ADD COLUMN uses INTEGER NOT NULL DEFAULT 0"),
        (2, "ALTER TABLE layers ADD COLUMN lease INTEGER NOT NULL DEFAULT 0"),
        (2, "ALTER TABLE layers ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT -1"),
        (3, "ALTER TABLE layers ADD COLUMN annotations TEXT NOT NULL DEFAULT ''"),
    ),
)
_COLUMNS = "id, created, diff_id, unpacked_bytes, digest, media_type, size_bytes, origin, stamp, annotations"
# eStargz's, and those of podman's zstd:chunked
_KEPT_ANNOTATIONS = (
    *("containerd.io/snapshot/stargz/", "io.containers.estargz."),
    *("io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."),
)


@frozen
class LayerRecord:
    """One layer. `blob` None: not packed yet. `unpacked_bytes` is the tar's size, 0 while unknown.

    `stamp`: see `ContentStore.stamp`; "" when the blob's digest was never checked.
    """

    id: str
    created: str
    diff_id: Digest | None = None
    blob: Descriptor | None = None
    unpacked_bytes: int = 0
    origin: str = ""
    stamp: str = ""


class LayerRecords:
    """The table, on an open database. Synchronous and short; records are replaced whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, ids: Iterable[str]) -> dict[str, LayerRecord]:
        """The records of these layers; those without one are absent."""
        rows = self._database.query_in(f"SELECT {_COLUMNS} FROM layers WHERE id IN ()", ids)  # noqa: S608  constants
        with self._database.decoding():
            return {row[0]: _read(row) for row in rows}

    def form(self, layer: str, form: str) -> tuple[Descriptor, str] | None:
        """The layer's blob in a compression that is not its own, with its stamp."""
        query = "SELECT media_type, digest, size_bytes, stamp FROM forms WHERE layer = ? AND form = ?"
        rows = self._database.query(query, (layer, form))
        with self._database.decoding():
            for media_type, digest, size, stamp in rows:
                return Descriptor(media_type=media_type, digest=parse_digest(digest), size_bytes=size), stamp
        return None

    def put_form(self, layer: str, form: str, blob: Descriptor, stamp: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO forms VALUES (?, ?, ?, ?, ?, ?)",
            (layer, form, blob.digest, blob.media_type, blob.size_bytes, stamp),
        )

    def adopt(self, found: Sequence[LayerRecord], here: Callable[[LayerRecord], bool]) -> set[str]:
        """Take in where layers can be had; the names of those that are now known by it.

        here: whether a layer needs to be had from nowhere. What is here stays as it is. A layer that is known by that
        name with another diff id is not adopted: one of the two is not what it says.
        """
        adopted = set()
        with self._database.transaction():
            known = self.get(record.id for record in found)
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
        now_s = time.time()
        self._database.execute(
            f"INSERT INTO layers ({_COLUMNS}, last_used, uses, lease)"  # noqa: S608  constants
            f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, {LATEST})"
            " ON CONFLICT (id) DO UPDATE SET created = excluded.created, diff_id = excluded.diff_id,"
            " unpacked_bytes = excluded.unpacked_bytes, digest = excluded.digest, media_type = excluded.media_type,"
            " size_bytes = excluded.size_bytes, origin = excluded.origin, stamp = excluded.stamp,"
            " annotations = excluded.annotations,"
            " last_used = excluded.last_used, lease = excluded.lease",
            (
                record.id,
                record.created,
                record.diff_id or "",
                record.unpacked_bytes,
                blob.digest if blob else "",
                blob.media_type if blob else "",
                blob.size_bytes if blob else 0,
                record.origin,
                record.stamp,
                _encoded(blob.annotations) if blob else "",
                now_s,
            ),
        )

    def transaction(self) -> AbstractContextManager[None]:
        """For looks and writes that belong together: nobody cleans up in between."""
        return self._database.transaction()

    def use(self, ids: Iterable[str]) -> None:
        """Say that these layers are needed, by who uses them without a result that names them."""
        self._database.execute_many(
            f"UPDATE layers SET last_used = ?, uses = uses + 1, lease = {LATEST} WHERE id = ?",  # noqa: S608  a constant
            [(time.time(), layer) for layer in ids],
        )

    def named(self, diff_ids: Iterable[Digest]) -> dict[Digest, list[str]]:
        """The names of layers with these diff ids: one content may have been made here and pulled as well."""
        rows = self._database.query_in("SELECT diff_id, id FROM layers WHERE diff_id IN ()", dict.fromkeys(diff_ids))
        found: dict[Digest, list[str]] = {}
        for diff_id, layer in rows:
            found.setdefault(Digest(diff_id), []).append(layer)
        return found


def ready_blob(record: LayerRecord | None, content: ContentStore, records: LayerRecords) -> LayerBlob | None:
    """The blob of a layer, if it was packed or fetched and the content store has it, unharmed.

    A blob that looks as it did when its digest was last known to be right is believed. Otherwise it is read: once after
    every start of the machine, and when something touched it. One that is damaged is dropped.
    """
    if record is None or record.blob is None or record.diff_id is None:
        return None
    stamp = _trusted(record.blob, record.stamp, content)
    if not stamp:
        return None
    if stamp != record.stamp:
        records.put(replace(record, stamp=stamp))
    return LayerBlob(diff_id=record.diff_id, descriptor=record.blob, created=record.created)


def ready_form(layer: str, form: str, content: ContentStore, records: LayerRecords) -> Descriptor | None:
    """The layer's blob in another compression, on the same terms."""
    known = records.form(layer, form)
    if known is None:
        return None
    blob, before = known
    stamp = _trusted(blob, before, content)
    if stamp not in {before, ""}:
        records.put_form(layer, form, blob, stamp)
    return blob if stamp else None


def _trusted(blob: Descriptor, before: str, content: ContentStore) -> str:
    """The stamp under which the blob is right, now that it was checked if need be; "" when there is none.

    before: the stamp under which it was.
    """
    stamp = content.stamp(blob)
    if not stamp or same_bytes(before, stamp) or content.verify(blob.digest):
        return stamp
    from ..log import log  # not needed by a build that finds everything as it should be

    log.warning("blob_damaged", digest=blob.digest)
    content.remove(blob.digest)
    return ""


def now() -> str:
    """The present moment, as an image config writes it."""
    return encode_moment(datetime.now(UTC))


def _encoded(annotations: tuple[tuple[str, str], ...]) -> str:
    """Those that are kept, as JSON; "" when there are none."""
    kept = [pair for pair in annotations if pair[0].startswith(_KEPT_ANNOTATIONS)]
    if not kept:
        return ""
    import json

    return json.dumps(kept)


def _decoded(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    import json

    return tuple((str(key), str(value)) for key, value in json.loads(text))


def _read(row: tuple[str, str, str, int, str, str, int, str, str, str]) -> LayerRecord:
    layer, created, diff_id, unpacked, digest, media_type, size, origin, stamp, annotations = row
    blob = None
    if digest:
        blob = Descriptor(
            media_type=media_type,
            digest=parse_digest(digest),
            size_bytes=size,
            annotations=_decoded(annotations),
        )
    return LayerRecord(
        id=layer,
        created=created,
        diff_id=parse_digest(diff_id) if diff_id else None,
        blob=blob,
        unpacked_bytes=unpacked,
        origin=origin,
        stamp=stamp,
    )
