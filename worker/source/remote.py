"""Git repositories and files behind URLs, for one build."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ..client import NoClient
from ..uses import UseRecords
from .http_records import DownloadRecords
from .newlayer import LayerMaker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from ...database import Database
    from ...llb import SourceOp
    from ..client import Client
    from ..contexts import HandedFile
    from ..records import LayerRecords
    from ..snapshot import LayerStore
    from .git_source import GitSource
    from .http_source import HttpSource
    from .pins import Pins
    from .resolved import Report

__all__ = ["RemoteSources"]


class RemoteSources:
    """Everything of a build that is neither an image nor a folder of the client:

    async with RemoteSources(root, layers, records, database, handed={}, pins=Pins()) as remote:
        key = await remote.resolve(op, report)
        layer = await remote.fetch(op, report)

    What was asked once is not asked again. Belongs to one event loop.
    """

    def __init__(
        self,
        root: Path,
        layers: LayerStore,
        records: LayerRecords,
        database: Database,
        *,
        handed: Mapping[str, HandedFile],
        pins: Pins,
        client: Client | None = None,
    ) -> None:
        """root: the state folder. handed: by URL, files that the client has and no server.
        pins: what sources are held to. client: is asked for what logs in; None: there is nothing.
        """
        self._root = str(root)
        self._maker = LayerMaker(layers, records, UseRecords(database))
        self._records = DownloadRecords(database)
        self._handed = handed
        self._pins = pins
        self._client = client or NoClient()
        self._stack = AsyncExitStack()
        self._opened: dict[bool, HttpSource | GitSource] = {}  # by whether it is git

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def resolve(self, op: SourceOp, report: Report) -> str:
        """What the source stands for now, as text. Raises SourceError."""
        return await self._source(op).resolve(op, report)

    async def fetch(self, op: SourceOp, report: Report) -> str:
        """The layer with its files. Raises SourceError."""
        return await self._source(op).fetch(op, report)

    async def time(self, op: SourceOp, report: Report) -> int | None:
        """When the source is from, in seconds since 1970; None where that is not told. Raises SourceError."""
        return await self._source(op).time(op, report)

    def _source(self, op: SourceOp) -> HttpSource | GitSource:
        """Few builds have such sources: what they take is imported when there is one."""
        source = self._opened.get(op.scheme == "git")
        if source is None:
            source = self._opened[op.scheme == "git"] = self._open_git() if op.scheme == "git" else self._open_http()
        return source

    def _open_git(self) -> GitSource:
        from .git_source import GitSource as Git

        return Git(self._root, self._maker, self._client, self._pins)

    def _open_http(self) -> HttpSource:
        from .http_source import HttpSource as Http

        source = Http(self._maker, self._records, self._client, handed=self._handed, pins=self._pins)
        self._stack.push_async_exit(source)
        return source
