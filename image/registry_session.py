"""One build's dealings with registries: connections that are kept, and who we are to each of them.

Registries on this machine (127.0.0.0/8, ::1, localhost) are spoken to in plain http, all others in https, unless told
otherwise.
We are nobody until a registry asks who we are; then the credentials of docker and podman are looked up.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from ..blocking import run_blocking
from ..values import frozen
from .registry_auth import asks_for_password, bearer_token, parse_challenge, realm_host
from .registry_credentials import find_credentials
from .registry_errors import check_status, unreachable
from .registry_hosts import endpoint, is_loopback, trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping
    from types import TracebackType
    from typing import Self, TypeAlias

    from .reference import Reference
    from .registry_credentials import Credentials

    Body: TypeAlias = Callable[[], bytes | AsyncIterator[bytes]]  # called anew for every try

__all__ = ["PULL", "PUSH", "Access", "RegistrySession"]


@frozen(kw_only=False)
class Access:
    """What a request does to the repository, and which others of the registry it reads."""

    actions: str
    also_pull: tuple[str, ...] = ()

    def scopes(self, path: str) -> tuple[str, ...]:
        """As token servers know them. Spec: distribution's "Token Scope Documentation"."""
        return (f"repository:{path}:{self.actions}", *(f"repository:{other}:pull" for other in self.also_pull))


PULL, PUSH = Access("pull"), Access("pull,push")
_TIMEOUT = httpx.Timeout(30, connect=10, pool=None)
_TIMEOUT_SENDING = httpx.Timeout(300, connect=10, pool=None)  # a registry hashes a large blob before it answers


class RegistrySession:
    """Usable by many tasks at once, inside `async with`."""

    def __init__(self, *, plain_http: Collection[str] = ()) -> None:
        """plain_http: other hosts (`host[:port]`) that are spoken to without TLS."""
        self._plain_http = frozenset(plain_http)
        self._stack = AsyncExitStack()
        self._clients: dict[bool, httpx.AsyncClient] = {}  # of this machine, of all others
        self._authorizations: dict[tuple[str, tuple[str, ...]], str] = {}  # header by repository and scopes
        self._credentials: dict[str, Credentials | None] = {}  # by repository

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        reference: Reference,
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
        whole = "://" in target
        home = self._home(reference)
        url = httpx.URL(target if whole else f"{home}/v2/{reference.path}/{target}")
        at_home = url.netloc == home.netloc
        scopes = access.scopes(reference.path)
        for attempt in (1, 2):
            sent = {**headers, "Accept-Encoding": "identity"}
            authorization = self._authorizations.get((reference.name, scopes))
            if authorization and at_home:  # where blobs are kept is told nothing about us
                sent["Authorization"] = authorization
            try:
                client = await self._client(url.netloc.decode())
                async with client.stream(
                    method,
                    url,
                    headers=sent,
                    content=None if body is None else body(),
                    follow_redirects=body is None,
                    timeout=_TIMEOUT if access is PULL else _TIMEOUT_SENDING,
                ) as response:
                    challenges = response.headers.get_list("www-authenticate")
                    found = None
                    if response.status_code == 401 and attempt == 1 and at_home:
                        found = await self._authorization(challenges, reference, scopes)
                    if found is None:
                        if response.status_code not in expected:
                            await check_status(response, reference, self._credentials.get(reference.name))
                        yield response
                        return
                self._authorizations[reference.name, scopes] = found
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise unreachable(reference, error) from error

    def _home(self, reference: Reference) -> httpx.URL:
        """The registry's base URL."""
        return httpx.URL(endpoint(reference.domain, plain=reference.domain in self._plain_http))

    async def _authorization(self, challenges: list[str], reference: Reference, scopes: tuple[str, ...]) -> str | None:
        """The header that answers one of these challenges; None when we have no answer."""
        credentials = await self._known(reference)
        for header in challenges:
            challenge = parse_challenge(header)
            if challenge is not None:
                client = await self._client(realm_host(challenge, reference))
                wanted = tuple(dict.fromkeys((*_unlike(challenge.scope.split(), scopes), *scopes)))
                return f"Bearer {await bearer_token(client, challenge, reference, wanted, credentials)}"
            if asks_for_password(header) and credentials is not None:
                return credentials.basic
        return None

    async def _known(self, reference: Reference) -> Credentials | None:
        if reference.name not in self._credentials:
            self._credentials[reference.name] = await run_blocking(find_credentials, reference, dict(os.environ))
        return self._credentials[reference.name]

    async def _client(self, domain: str) -> httpx.AsyncClient:
        loopback = is_loopback(domain)
        client = self._clients.get(loopback)
        if client is None:
            certificates = await run_blocking(trust)
            client = self._clients.get(loopback)  # another task may have been here meanwhile
        if client is None:
            # As with Go's clients, no proxy stands between a machine and itself.
            client = httpx.AsyncClient(
                timeout=_TIMEOUT, verify=certificates, trust_env=not loopback, follow_redirects=True
            )
            self._clients[loopback] = client
            self._stack.push_async_callback(client.aclose)
        return client


def _unlike(asked: list[str], ours: tuple[str, ...]) -> list[str]:
    """What a challenge asks for of other things than we do: for the same ones, ours says at least as much."""
    resources = {scope.rpartition(":")[0] for scope in ours}
    return [scope for scope in asked if scope.rpartition(":")[0] not in resources]
