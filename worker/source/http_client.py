"""Asking a web server for a file. The one module of the sources that knows httpx."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio
import httpx

from ... import __version__
from ...blocking import run_blocking
from ...errors import SourceError
from ...image import BROKEN_OFF, PASSING, is_loopback, pour, reason_of, trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType
    from typing import Self

    from .http_file import HttpFile

__all__ = ["Answer", "HttpClient"]

_MOST_REDIRECTS = 10  # as many as Go's client follows
_CONNECT_S = 10
_NO_LIMIT = (1 << 63) - 1


class Answer(NamedTuple):
    """The head of an answer, its body unread. `unchanged`: the server says that there is nothing new."""

    response: httpx.Response
    unchanged: bool

    def header(self, name: str) -> str:
        return str(self.response.headers.get(name, ""))

    @property
    def size_bytes(self) -> int:
        """As promised; 0 when it is not known."""
        text = self.header("content-length")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


class HttpClient:
    """Usable by many tasks at once, inside `async with`."""

    def __init__(self, *, silence_s: float) -> None:
        """silence_s: how long a server may say nothing."""
        self._timeout = httpx.Timeout(silence_s, connect=min(_CONNECT_S, silence_s), pool=None)
        self._stack = AsyncExitStack()
        self._clients: dict[bool, httpx.AsyncClient] = {}  # of this machine, of all others
        self._making = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def get(self, file: HttpFile, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """A successful answer. headers: beside those that every request has.

        Raises SourceError, `transient` where another try may go well.
        """
        url = file.shown
        # The bytes as they are: a checksum is of these, not of what some encoding of them unpacks to.
        sent = {"User-Agent": f"llbuild/{__version__}", "Accept-Encoding": "identity", **headers}
        try:
            client = await self._client(file.host)
            async with client.stream("GET", file.url, headers=sent) as response:
                if response.status_code != 304:
                    _check_status(response, file)
                yield Answer(response, response.status_code == 304)
        except httpx.TooManyRedirects:
            raise SourceError(f"{url}: more than {_MOST_REDIRECTS} redirects", ref=url) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            broken = isinstance(error, BROKEN_OFF)
            hint = "" if broken else "check the URL, the network and its proxies"
            raise SourceError(f"{url}: {reason_of(error)}", ref=url, hint=hint, transient=broken) from error

    async def read(self, answer: Answer, sink: Callable[[bytes], Awaitable[object]]) -> None:
        """Hand the body to `sink` in pieces of about 1 MiB. Inside `get`, which tells what goes wrong."""
        await pour(answer.response, answer.response.aiter_raw(), sink, limit=_NO_LIMIT)

    async def _client(self, host: str) -> httpx.AsyncClient:
        loopback = is_loopback(f"[{host}]" if ":" in host else host)
        async with self._making:  # authorities are read once, however many tasks ask
            client = self._clients.get(loopback)
            if client is None:
                # As with Go's clients, no proxy stands between a machine and itself.
                client = self._clients[loopback] = httpx.AsyncClient(
                    timeout=self._timeout,
                    verify=await run_blocking(trust),
                    trust_env=not loopback,
                    follow_redirects=True,
                    max_redirects=_MOST_REDIRECTS,
                )
                self._stack.push_async_callback(client.aclose)
        return client


def _check_status(response: httpx.Response, file: HttpFile) -> None:
    """Raises SourceError unless the answer is a success."""
    status, url = response.status_code, file.shown
    if 200 <= status < 300:
        return
    if status in {401, 403}:
        names = file.auth_secret or f"HTTP_AUTH_TOKEN_{file.host} or HTTP_AUTH_HEADER_{file.host}"
        raise SourceError(f"{url}: access denied ({status})", ref=url, hint=f"give the secret {names} to log in")
    if status in {404, 410}:
        raise SourceError(f"{url}: there is no such file ({status})", ref=url, hint="check the URL")
    words = f"{url}: the server answered {status} {response.reason_phrase}".rstrip()
    raise SourceError(words, ref=url, transient=status in PASSING)
