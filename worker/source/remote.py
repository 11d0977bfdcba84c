"""Git repositories and files behind URLs, for one build."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from .credentials import Credentials
from .http_records import DownloadRecords
from .http_source import HttpSource
from .newlayer import LayerMaker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from ...database import Database
    from ...llb import SourceOp
    from ..contexts import HandedFile
    from ..records import LayerRecords
    from ..snapshot import LayerStore
    from .resolved import Report

__all__ = ["RemoteSources"]


class RemoteSources:
    """Everything of a build that is neither an image nor a folder of the client:

    async with RemoteSources(layers, records, database, handed={}) as remote:
        key = await remote.resolve(op, report)
        layer = await remote.fetch(op, report)

    What was asked once is not asked again. Belongs to one event loop.
    """

    def __init__(
        self,
        layers: LayerStore,
        records: LayerRecords,
        database: Database,
        *,
        handed: Mapping[str, HandedFile],
        credentials: Credentials | None = None,
    ) -> None:
        """handed: by URL, files that the client has and no server."""
        self._maker = LayerMaker(layers, records)
        lent = credentials or Credentials()
        self._http = HttpSource(self._maker, DownloadRecords(database), lent, handed=handed)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def resolve(self, op: SourceOp, report: Report) -> str:
        """What the source stands for now, as text. Raises SourceError."""
        return await self._http.resolve(op, report)

    async def fetch(self, op: SourceOp, report: Report) -> str:
        """The layer with its files. Raises SourceError."""
        return (await self._http.download(op, report)).layer
