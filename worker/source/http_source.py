"""Files behind URLs: asked for once a build, downloaded only when they are not what they were.

What a URL stands for is the digest of its file, so that knowing it takes a download, unless a checksum tells.
The next time the server is asked with the ETag and the date of then whether it has anything newer. What was
downloaded is kept as a layer that has the one file.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...digest import Digest
from ...errors import SourceError
from ...values import replace
from .http_file import parse_http
from .http_records import Download, http_date
from .newlayer import FileLayer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from ...llb import SourceOp
    from ..client import Client
    from ..contexts import HandedFile
    from .http_client import Answer, HttpClient
    from .http_file import HttpFile
    from .http_records import DownloadRecords
    from .newlayer import LayerMaker
    from .pins import Pin, Pins
    from .resolved import Report

__all__ = ["HttpSource"]

_SILENCE_S = 30
_COPIED_BYTES = 1 << 20


class HttpSource:
    """For a whole build; connects when it must, and closes what it opened. Belongs to one event loop."""

    def __init__(
        self,
        maker: LayerMaker,
        records: DownloadRecords,
        client: Client,
        *,
        handed: Mapping[str, HandedFile],
        pins: Pins,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """handed: by URL, files that the client has and no server. pins: what files are held to.
        silence_s: how long a server may say nothing before the connection counts as broken."""
        self._maker = maker
        self._records = records
        self._lender = client
        self._handed = handed
        self._pins = pins
        self._silence_s = silence_s
        self._stack = AsyncExitStack()
        self._client: HttpClient | None = None
        self._busy: dict[SourceOp, anyio.Lock] = {}
        self._known: dict[SourceOp, Download] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def resolve(self, op: SourceOp, report: Report) -> str:
        """What the file is now: `HttpFile.resolved`. Raises SourceError."""
        found = await self.download(op, report)
        return parse_http(op).resolved(found.digest, name=found.name, modified=found.modified_s)

    async def fetch(self, op: SourceOp, report: Report) -> str:
        """The layer with the file. Raises SourceError."""
        return (await self.download(op, report)).layer

    async def time(self, op: SourceOp, report: Report) -> int | None:
        """When the server says the file is from, in seconds since 1970; else how old the newest file in it is, if it is
        an archive. Raises SourceError.
        """
        found = await self.download(op, report)
        if found.modified_s is not None:
            return found.modified_s
        return await run_blocking(_newest, f"{self._maker.path(found.layer)}/{found.name}")

    async def download(self, op: SourceOp, report: Report) -> Download:
        """The file, in a layer that is here. Asked once a build; who asks meanwhile waits. Raises SourceError."""
        async with self._busy.setdefault(op, anyio.Lock()):
            found = self._known.get(op)
            if found is None or not await run_blocking(self._maker.has, found.layer):
                found = self._known[op] = await self._look(parse_http(op), report)
        return found

    async def _look(self, file: HttpFile, report: Report) -> Download:
        handed = self._handed.get(file.url)
        if handed is not None:
            return await run_blocking(self._copy, file, handed)
        pin = None if file.checksum is not None else self._pins.find(file.source_name)
        if pin is not None:
            file = replace(file, checksum=Digest(pin.digest), advice=self._pins.advice)
        found = await self._ask(file, pin, report)
        if file.checksum is None:
            self._pins.note(file.source_name, found.pin(file))
        return found

    async def _ask(self, file: HttpFile, pin: Pin | None, report: Report) -> Download:
        """pin: what the file is held to, beside its checksum."""
        stored = await run_blocking(self._stored, file)
        if stored is not None and stored.digest == file.checksum and (pin is None or stored.pin(file) == pin):
            return stored
        headers = {**dict(file.headers), **await _authorization(file, self._lender)}
        if stored is not None and file.checksum is None:
            headers |= {"If-None-Match": stored.etag} if stored.etag else {}
            headers |= {"If-Modified-Since": stored.modified} if stored.modified else {}
        client = await self._connected()
        async with client.get(file, headers) as answer:
            # Servers there are that send an ETag and ignore it: then their answer has it again.
            if stored is not None and (answer.unchanged or _same_tag(answer.header("etag"), stored.etag)):
                return stored
            if answer.unchanged:
                raise SourceError(f"{file.shown}: the server says that nothing is new (304), unasked", ref=file.shown)
            return await self._take(client, file, answer, report, pin)

    async def _take(
        self, client: HttpClient, file: HttpFile, answer: Answer, report: Report, pin: Pin | None
    ) -> Download:
        """Write the body into a new layer."""
        name = (pin is not None and pin.filename) or file.name(answer.header("content-disposition"))
        growing = FileLayer(self._maker, file, name)

        async def write(data: bytes) -> None:
            await run_blocking(growing.write, data)
            report("downloading", growing.size_bytes, answer.size_bytes)

        await run_blocking(growing.open)
        try:
            await client.read(answer, write)
            modified = answer.header("last-modified") if pin is None else http_date(pin.modified_s)
            headers = (answer.header("etag"), modified)
            return await run_blocking(self._keep, file, growing, headers)
        finally:
            with anyio.CancelScope(shield=True):
                await run_blocking(growing.close)

    def _copy(self, file: HttpFile, handed: HandedFile) -> Download:
        """What the client handed over, as if it had been downloaded."""
        growing = FileLayer(self._maker, file, file.name())
        growing.open()
        try:
            with handed.open() as source:
                while data := source.read(_COPIED_BYTES):
                    growing.write(data)
            return self._keep(file, growing, ("", ""))
        finally:
            growing.close()

    def _keep(self, file: HttpFile, growing: FileLayer, headers: tuple[str, str]) -> Download:
        etag, modified = headers
        draft = Download(digest=Digest(""), name=growing.name, layer="", etag=etag, modified=modified)
        digest, layer = growing.commit(draft.modified_s or 0)
        found = replace(draft, digest=digest, layer=layer)
        for key in (file.request_key, file.key_of(digest)):
            self._records.put(key, found)
        return found

    def _stored(self, file: HttpFile) -> Download | None:
        """What the same request brought the last time, or the file that must be had, if it is still here."""
        keys = [file.request_key] if file.checksum is None else [file.key_of(file.checksum), file.request_key]
        found = filter(None, map(self._records.get, keys))
        return next((stored for stored in found if self._maker.has(stored.layer)), None)

    async def _connected(self) -> HttpClient:
        if self._client is None:
            from .http_client import HttpClient  # with httpx, 90 ms: only for who asks a server

            self._client = await self._stack.enter_async_context(HttpClient(silence_s=self._silence_s))
        return self._client


def _newest(path: str) -> int | None:
    """The time of the newest file in an archive; None for anything else."""
    from ..layer import newest_file  # with its decompressors

    with Path(path).open("rb") as file:
        return newest_file(file)


def _same_tag(given: str, known: str) -> bool:
    return bool(given) and given.removeprefix("W/") == known.removeprefix("W/")


async def _authorization(file: HttpFile, client: Client) -> dict[str, str]:
    """The header that logs in, where there is a secret for it. Raises SourceError when a named one is missing."""
    if file.auth_secret:
        header = await client.secret(file.auth_secret)
        if header is None:
            raise SourceError(
                f"{file.shown} is to be asked for with the secret {file.auth_secret!r}, which was not given",
                ref=file.shown,
            )
        return {"Authorization": _text(header)}
    header = await client.secret(f"HTTP_AUTH_HEADER_{file.host}")
    if header is not None:
        return {"Authorization": _text(header)}
    token = await client.secret(f"HTTP_AUTH_TOKEN_{file.host}")
    return {} if token is None else {"Authorization": f"Bearer {_text(token)}"}


def _text(secret: bytes) -> str:
    """A header's value: a file of a secret ends with a newline more often than not."""
    return secret.decode("latin-1").strip()
