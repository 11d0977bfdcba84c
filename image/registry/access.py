"""Being let in: what we show each repository, kept for as long as it serves.

We are nobody until a registry asks who we are; then the credentials of docker and podman are looked up. A token is
asked for once, however many tasks wait for it, and one that allows more serves for less. Once a registry has told where
its tokens come from, the next ones are fetched before it must ask.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from ...blocking import run_blocking
from ...values import frozen
from .auth import asks_for_password, bearer_token, parse_challenge, realm_host
from .credential_search import find_credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from ..reference import Reference
    from .auth import Challenge
    from .credentials import Credentials
    from .hosts import RegistryHost

__all__ = ["PULL", "PUSH", "Access", "Admission"]


@frozen(kw_only=False)
class Access:
    """What a request does to the repository, and which others of the registry it reads."""

    actions: str
    also_pull: tuple[str, ...] = ()

    def scopes(self, path: str) -> tuple[str, ...]:
        """As token servers know them. Spec: distribution's "Token Scope Documentation"."""
        return (f"repository:{path}:{self.actions}", *(f"repository:{other}:pull" for other in self.also_pull))

    def allows(self, other: Access) -> bool:
        """Whether who may do this may do the other as well."""
        mine, wanted = self.actions.split(","), other.actions.split(",")
        return set(mine) >= set(wanted) and set(self.also_pull) >= set(other.also_pull)


PULL, PUSH = Access("pull"), Access("pull,push")


class Admission:
    """Usable by many tasks at once."""

    def __init__(self, connect: Callable[[RegistryHost, str], Awaitable[httpx.AsyncClient]]) -> None:
        """connect: the client for a host (`host[:port]`) that a registry sends us to."""
        self._connect = connect
        self._credentials: dict[str, Credentials | None] = {}  # by repository
        self._granted: dict[str, dict[Access, str]] = {}  # headers, by repository
        self._passwords: dict[str, str] = {}  # headers that go for everything, by repository
        self._realms: dict[str, Challenge] = {}  # by registry
        self._asking: dict[str, anyio.Lock] = {}  # by repository

    def credentials(self, repository: Reference) -> Credentials | None:
        """What we came with, if we were asked."""
        return self._credentials.get(repository.name)

    def known(self, repository: Reference, access: Access) -> str:
        """The `Authorization` header that serves, "" when we have none."""
        if header := self._passwords.get(repository.name):
            return header
        granted = self._granted.get(repository.name, {})
        return granted.get(access) or next((header for had, header in granted.items() if had.allows(access)), "")

    async def header(self, host: RegistryHost, repository: Reference, access: Access) -> str:
        """The same, fetched beforehand where the registry has told how; "" to come as nobody. Raises SourceError."""
        found = self.known(repository, access)
        if found or host.domain not in self._realms:
            return found
        async with self._asking.setdefault(repository.name, anyio.Lock()):
            return self.known(repository, access) or await self._token(
                host, self._realms[host.domain], repository, access
            )

    async def answer(
        self, challenges: list[str], host: RegistryHost, repository: Reference, access: Access, *, shown: str
    ) -> str:
        """The header that answers one of these challenges; "" when we have no answer. Raises SourceError.

        shown: what was not good enough.
        """
        async with self._asking.setdefault(repository.name, anyio.Lock()):
            if (found := self.known(repository, access)) and found != shown:
                return found  # another task has asked meanwhile
            self._granted.pop(repository.name, None)
            for header in challenges:
                challenge = parse_challenge(header)
                if challenge is not None:
                    self._realms[host.domain] = challenge._replace(scope="")
                    return await self._token(host, challenge, repository, access)
                if asks_for_password(header):
                    credentials = await self._known_credentials(repository)
                    if credentials is not None and credentials.username and credentials.basic != shown:
                        self._passwords[repository.name] = credentials.basic
                        return credentials.basic
            return ""

    async def _token(self, host: RegistryHost, challenge: Challenge, repository: Reference, access: Access) -> str:
        credentials = await self._known_credentials(repository)
        scopes = access.scopes(repository.path)
        wanted = tuple(dict.fromkeys((*_unlike(challenge.scope.split(), scopes), *scopes)))
        client = await self._connect(host, realm_host(challenge, repository, host))
        token = await bearer_token(client, challenge, repository, wanted, credentials)
        header = f"Bearer {token.text}"
        self._granted.setdefault(repository.name, {})[access] = header
        return header

    async def _known_credentials(self, repository: Reference) -> Credentials | None:
        if repository.name not in self._credentials:
            self._credentials[repository.name] = await run_blocking(find_credentials, repository, dict(os.environ))
        return self._credentials[repository.name]


def _unlike(asked: list[str], ours: tuple[str, ...]) -> list[str]:
    """What a challenge asks for of other things than we do: for the same ones, ours says at least as much."""
    resources = {scope.rpartition(":")[0] for scope in ours}
    return [scope for scope in asked if scope.rpartition(":")[0] not in resources]
