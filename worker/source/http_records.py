"""What was downloaded from where: enough to ask a server whether it has changed since.

    downloads(request, etag, modified, digest, name, layer)

`request` is `HttpFile.request_key`, for the last file that came, or `key_of`, for each of them; `etag` and `modified`
are the headers of that answer, "" where there was none; `digest` is of the file called `name` in the layer. A
record whose layer is gone is as good as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...database import Schema
from ...digest import Digest
from ...values import frozen
from .pins import Pin

if TYPE_CHECKING:
    from ...database import Database
    from .http_file import HttpFile

__all__ = ["DOWNLOADS_SCHEMA", "Download", "DownloadRecords", "http_date"]

DOWNLOADS_SCHEMA = Schema(
    "downloads",
    1,
    (
        """CREATE TABLE IF NOT EXISTS downloads (
            request BLOB PRIMARY KEY, etag TEXT NOT NULL, modified TEXT NOT NULL, digest TEXT NOT NULL,
            name TEXT NOT NULL, layer TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
)


@frozen
class Download:
    """A file that was fetched, alone in its layer."""

    digest: Digest
    name: str
    layer: str
    etag: str = ""
    modified: str = ""  # as in the Last-Modified header

    @property
    def modified_s(self) -> int | None:
        """When the server says the file is from, in seconds since 1970."""
        if not self.modified:
            return None
        from email.utils import parsedate_to_datetime

        try:
            return int(parsedate_to_datetime(self.modified).timestamp())
        except (ValueError, OverflowError):
            return None

    def pin(self, file: HttpFile) -> Pin:
        """What a file that may be another tomorrow was this time."""
        return Pin(digest=self.digest, filename="" if file.filename else self.name, modified_s=self.modified_s)


def http_date(seconds: int | None) -> str:
    """A Last-Modified header; "" for None."""
    if seconds is None:
        return ""
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)


class DownloadRecords:
    """The table, on an open database. Synchronous and short."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, request: bytes) -> Download | None:
        rows = self._database.query(
            "SELECT etag, modified, digest, name, layer FROM downloads WHERE request = ?", (request,)
        )
        for etag, modified, digest, name, layer in rows:
            return Download(digest=Digest(digest), name=name, layer=layer, etag=etag, modified=modified)
        return None

    def put(self, request: bytes, download: Download) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO downloads VALUES (?, ?, ?, ?, ?, ?)",
            (request, download.etag, download.modified, download.digest, download.name, download.layer),
        )
