"""The connections of a session, kept between requests: httpx's, and those on which large bodies go out."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import httpx

from ...blocking import run_blocking
from .hosts import is_loopback, trust
from .sending import BodySender, FilePart, goes_by_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from typing import TypeAlias

    from .hosts import RegistryHost

    Body: TypeAlias = bytes | FilePart

__all__ = ["Connections"]


class Connections:
    """Usable by many tasks at once; whoever makes it closes it."""

    def __init__(self, timeout: httpx.Timeout) -> None:
        """timeout: of requests that do not go through `exchange`."""
        self._timeout = timeout
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[bool, str], httpx.AsyncClient] = {}  # by loopback, and host if something is known
        self._trusted: dict[tuple[bool, str], ssl.SSLContext] = {}  # by use, and host if something is known
        self._making, self._reading = anyio.Lock(), anyio.Lock()
        self._sender: BodySender | None = None

    async def aclose(self) -> None:
        """Close them all."""
        await self._stack.aclose()

    @asynccontextmanager
    async def exchange(
        self,
        host: RegistryHost,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        body: Body | None,
        patience: httpx.Timeout,
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request, whatever it is; only one without a body is redirected. Raises httpx's errors."""
        domain = url.netloc.decode()
        if isinstance(body, FilePart) and (is_loopback(domain) or not goes_by_proxy(url)):
            # Its own where there is HTTP/2: httpx has every connection of a context agree on that.
            context = await self._trust(host, apart=host.http2) if url.scheme == "https" else None
            request = httpx.Request(method, url, headers=headers, extensions={"timeout": patience.as_dict()})
            yield await self._senders().send(request, body, context)
            return
        content = body.pieces() if isinstance(body, FilePart) else body
        client = await self.client(host, domain)
        async with client.stream(
            method, url, headers=headers, content=content, follow_redirects=body is None, timeout=patience
        ) as response:
            yield response

    async def client(self, host: RegistryHost, domain: str) -> httpx.AsyncClient:
        """The connections to `domain` (`host[:port]`), where `host` sends us, or which it is."""
        loopback = is_loopback(domain)
        key = loopback, "" if host.is_ordinary else host.domain
        async with self._making:
            found = self._clients.get(key)
            if found is None:
                found = self._clients[key] = await self._new_client(host, loopback)
                self._stack.push_async_callback(found.aclose)
        return found

    async def _new_client(self, host: RegistryHost, loopback: bool) -> httpx.AsyncClient:
        if not (loopback and host.url.startswith("http:")):
            return httpx.AsyncClient(
                timeout=self._timeout,
                verify=await self._trust(host),
                http2=host.http2,
                trust_env=not loopback,
                follow_redirects=True,
            )
        # As with Go's clients, no proxy stands between a machine and itself.
        trusts_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return httpx.AsyncClient(
            timeout=self._timeout,
            transport=httpx.AsyncHTTPTransport(verify=trusts_nobody),
            mounts={"https://": _LateTls(partial(self._trust, host))},
            trust_env=False,
            follow_redirects=True,
        )

    async def _trust(self, host: RegistryHost, *, apart: bool = False) -> ssl.SSLContext:
        """Whom to trust there: read once, however many tasks ask, for it takes longer than what they want."""
        key = apart, "" if host.is_ordinary else host.domain
        async with self._reading:
            if key not in self._trusted:
                self._trusted[key] = await run_blocking(trust, None if host.is_ordinary else host)
        return self._trusted[key]

    def _senders(self) -> BodySender:
        if self._sender is None:
            self._sender = BodySender()
            self._stack.callback(self._sender.close)
        return self._sender


class _LateTls(httpx.AsyncBaseTransport):
    """TLS at a host that does without, should it send us elsewhere: the authorities are not read before."""

    def __init__(self, trusted: Callable[[], Awaitable[ssl.SSLContext]]) -> None:
        self._trusted = trusted
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        context = await self._trusted()
        if self._transport is None:
            self._transport = httpx.AsyncHTTPTransport(verify=context)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
