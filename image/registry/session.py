"""One build's dealings with registries: connections that are kept, and the servers that stand for each registry.

A repository is read from the mirrors of its registry, in their order, and from the registry itself; it is written to
the registry. What a mirror cannot give, or gives wrong, is asked of the next; one that cannot be reached is left alone.
"""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import httpx

from ... import __version__
from ...blocking import run_blocking
from ...errors import SourceError
from ...log import log
from ...values import replace
from .access import PULL, Access, Admission
from .body import drain
from .config import Mirror, RegistryConfig, parse_mirror
from .connections import Connections
from .errors import check_status, unreachable, with_mirrors
from .hosts import find_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from ..reference import Reference
    from .connections import Body
    from .hosts import RegistryHost

__all__ = ["SILENCE_S", "USER_AGENT", "Place", "RegistrySession"]

_T = TypeVar("_T")
_CONNECT_S = 10
SILENCE_S = 30.0
_SENDING_S = 300.0  # a registry hashes a large blob before it answers
USER_AGENT = f"llbuild/{__version__}"


class Place(NamedTuple):
    """Where a repository is to be had. `repository`: its name there; `stands_for`: the registry, at a mirror of it."""

    host: RegistryHost
    repository: Reference
    stands_for: str = ""

    @property
    def url(self) -> httpx.URL:
        """The repository's URL."""
        return httpx.URL(f"{self.host.url}/v2/{self.repository.path}")


class RegistrySession:
    """Usable by many tasks at once, inside `async with`."""

    def __init__(self, registries: Iterable[RegistryConfig] = (), *, silence_s: float = SILENCE_S) -> None:
        """registries: what is known of some. silence_s: how long a server may say nothing while it sends."""
        self._configs = {registry.host: registry for registry in registries}
        self._receiving = httpx.Timeout(silence_s, connect=min(_CONNECT_S, silence_s), pool=None)
        self._sending = httpx.Timeout(max(silence_s, _SENDING_S), connect=min(_CONNECT_S, silence_s), pool=None)
        self._connections = Connections(self._receiving)
        self._client = self._connections.client
        self._hosts: dict[tuple[str, bool], RegistryHost] = {}  # by domain and whether it is said to be plain
        self._left_alone: set[str] = set()  # mirrors
        self._admission = Admission(self._client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def _home(self, reference: Reference) -> Place:
        """The registry itself."""
        return Place(await self._host(reference.domain), reference)

    async def _read(self, reference: Reference, ask: Callable[[Place], Awaitable[_T]]) -> _T:
        """What the first of the mirrors can give, or else the registry itself. Raises SourceError: the registry's."""
        config = self._configs.get(reference.domain)
        refused: list[str] = []
        for text in () if config is None else config.mirrors:
            mirror = parse_mirror(text)
            if mirror.host in self._left_alone:
                continue
            try:
                return await ask(await self._mirrored(reference, mirror))
            except SourceError as error:
                log.info("mirror gave nothing", mirror=text, image=str(reference), error=error.message)
                refused.append(f"mirror {text}: {error.message}")
        try:
            return await ask(await self._home(reference))
        except SourceError as error:
            raise with_mirrors(error, refused) from error

    async def _mirrored(self, reference: Reference, mirror: Mirror) -> Place:
        host = await self._host(mirror.host, plain=mirror.plain)
        path = f"{mirror.path}/{reference.path}" if mirror.path else reference.path
        return Place(host, replace(reference, domain=mirror.host, path=path), stands_for=reference.domain)

    def leave_alone(self, domain: str) -> None:
        """Never ask this mirror again."""
        self._left_alone.add(domain)

    async def _host(self, domain: str, *, plain: bool = False) -> RegistryHost:
        found = self._hosts.get((domain, plain))
        if found is None:
            config = self._configs.get(domain)
            if plain and (config is None or config.http is None):
                config = replace(config or RegistryConfig(host=domain), http=True)
            found = await run_blocking(find_host, domain, config, dict(os.environ))
            if found.falls_back:
                found = await self._with_or_without_tls(found)
            self._hosts[domain, plain] = found
        return found

    async def _with_or_without_tls(self, host: RegistryHost) -> RegistryHost:
        client = await self._client(host, host.domain)
        try:
            await client.head(f"{host.url}/v2/", timeout=self._receiving)
        except (httpx.HTTPError, ssl.SSLError):
            return host.without_tls()
        return host

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        place: Place,
        target: str,
        *,
        headers: Mapping[str, str],
        access: Access = PULL,
        body: Body | None = None,
        expected: frozenset[int] = frozenset(),
    ) -> AsyncIterator[httpx.Response]:
        """A successful response, its body unread; once more, saying who we are, when the registry asks.

        target: below the repository's URL, or a whole URL that the registry gave us. expected: what counts as
        success besides 2xx. Raises SourceError.
        """
        host, repository, admission = place.host, place.repository, self._admission
        url = httpx.URL(target if "://" in target else f"{place.url}/{target}")
        if place.stands_for:  # as containerd tells mirrors that hold several registries
            url = url.copy_merge_params({"ns": place.stands_for})
        at_home = url.netloc == place.url.netloc  # where blobs are kept is told nothing about us
        for attempt in (1, 2):
            sent = {**headers, "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
            try:
                shown = await admission.header(host, repository, access) if at_home else ""
                if shown:
                    sent["Authorization"] = shown
                timeout = self._receiving if access is PULL else self._sending
                async with self._connections.exchange(host, method, url, sent, body, timeout) as response:
                    answered = False
                    if response.status_code == 401 and attempt == 1 and at_home:
                        challenges = response.headers.get_list("www-authenticate")
                        answered = bool(await admission.answer(challenges, host, repository, access, shown=shown))
                    if not answered:
                        if response.status_code not in expected:
                            await check_status(response, repository, admission.credentials(repository))
                        yield response
                    await drain(response)
                    if not answered:
                        return
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:  # httpx lets some of the last through
                if place.stands_for and isinstance(error, httpx.ConnectError | httpx.TimeoutException):
                    self.leave_alone(host.domain)
                raise unreachable(str(repository), host.domain, error) from error
