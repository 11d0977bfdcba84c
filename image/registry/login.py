"""Whether a registry lets somebody in, asked as `docker login` does: at `/v2/`, with what its challenge wants."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx

from ...errors import SourceError
from ...values import replace
from .auth import asks_for_password, bearer_token, parse_challenge, realm_host
from .errors import check_status, unreachable
from .session import USER_AGENT, RegistrySession

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager

    from .config import RegistryConfig
    from .credentials import Credentials
    from .hosts import RegistryHost

__all__ = ["verify_login"]


async def verify_login(domain: str, credentials: Credentials, registries: Iterable[RegistryConfig]) -> Credentials:
    """What to keep: an identity token in place of the password where the registry gives one. Raises SourceError."""
    async with _Login(registries) as session:
        return await session.verify(domain, credentials)


class _Login(RegistrySession):
    async def verify(self, domain: str, credentials: Credentials) -> Credentials:
        host = await self._host(domain)
        header, kept = "", credentials
        try:
            async with await self._ping(host, header) as response:
                if response.status_code == 401:
                    header, kept = await self._introduced(response, host, credentials)
                else:  # whoever comes is let in
                    await _check(response, domain, credentials)
            if header:
                async with await self._ping(host, header) as response:
                    await _check(response, domain, credentials)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise unreachable(domain, domain, error) from error
        return kept

    async def _ping(self, host: RegistryHost, authorization: str) -> AbstractAsyncContextManager[httpx.Response]:
        client = await self._client(host, host.domain)
        headers = {"User-Agent": USER_AGENT, **({"Authorization": authorization} if authorization else {})}
        return client.stream("GET", f"{host.url}/v2/", headers=headers)

    async def _introduced(
        self, response: httpx.Response, host: RegistryHost, credentials: Credentials
    ) -> tuple[str, Credentials]:
        """The header that answers the challenge, and what to keep."""
        for header in response.headers.get_list("www-authenticate"):
            challenge = parse_challenge(header)
            if challenge is not None:
                client = await self._client(host, realm_host(challenge, host.domain, host))
                scopes = challenge.scope.split()
                token = await bearer_token(client, challenge, host.domain, scopes, credentials, lasting=True)
                if token.lasting:
                    credentials = replace(credentials, password="", identity_token=token.lasting)
                return f"Bearer {token.text}", credentials
            if asks_for_password(header) and credentials.username:
                return credentials.basic, credentials
        raise SourceError(f"{host.domain} does not say how to log in", ref=host.domain)


async def _check(response: httpx.Response, domain: str, credentials: Credentials) -> None:
    if response.status_code == 404:
        raise SourceError(f"{domain} is no registry: there is no /v2/", ref=domain, hint="check its name and port")
    await check_status(response, domain, credentials)
