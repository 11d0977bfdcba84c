"""The registry client: manifests and blobs by OCI distribution-spec 1.1, without credentials.

One client serves a whole build and keeps its connections; whoever makes it closes it:

    async with RegistryClient() as registry:
        document = await registry.manifest(reference)
        await registry.blob(reference, layer, sink)

Every answer is bounded and checked against its digest or size. Registries on this machine
(127.0.0.0/8, ::1, localhost) are spoken to in plain http, all others in https, unless told otherwise.
"""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx

from ..blocking import run_blocking
from ..digest import Digest, parse_digest, sha256_digest
from .descriptor import Descriptor
from .manifest import MANIFEST_TYPES
from .registry_auth import anonymous_token, parse_challenge, realm_host
from .registry_body import pour, read_bounded
from .registry_errors import broken, check_status, unreachable, wrong_bytes
from .registry_hosts import endpoint, is_loopback, trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection
    from types import TracebackType
    from typing import Self

    from .reference import Reference

__all__ = ["Document", "RegistryClient"]

_TIMEOUT = httpx.Timeout(30, connect=10, pool=None)
_ACCEPT = ", ".join(MANIFEST_TYPES)


class Document(NamedTuple):
    """A manifest or an index, verified."""

    descriptor: Descriptor
    data: bytes


class RegistryClient:
    """Usable by many tasks at once, inside `async with`."""

    def __init__(self, *, plain_http: Collection[str] = ()) -> None:
        """plain_http: other hosts (`host[:port]`) that are spoken to without TLS."""
        self._plain_http = frozenset(plain_http)
        self._stack = AsyncExitStack()
        self._clients: dict[bool, httpx.AsyncClient] = {}  # of this machine, of all others
        self._tokens: dict[str, str] = {}  # by repository

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def digest(self, reference: Reference) -> Digest | None:
        """What the registry says a tag points at now; None when it does not say. Costs no pull.

        Raises SourceError when there is no such image.
        """
        async with self._request("HEAD", reference, f"manifests/{_wanted(reference)}", accept=_ACCEPT) as response:
            return _claimed(response.headers.get("docker-content-digest", ""))

    async def manifest(self, reference: Reference) -> Document:
        """What a tag or digest points at. Raises SourceError, also when the bytes are not those of the digest."""
        async with self._request("GET", reference, f"manifests/{_wanted(reference)}", accept=_ACCEPT) as response:
            data = await read_bounded(response, str(reference))
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
            claimed = response.headers.get("docker-content-digest", "")
        expected = reference.digest or _claimed(claimed) or sha256_digest(data)
        digest = _digest_like(expected, data)
        if expected != digest:
            raise wrong_bytes(reference, expected, digest)
        return Document(Descriptor(media_type=media_type, digest=digest, size_bytes=len(data)), data)

    async def document(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """A config, manifest or index that something else points at, whole and verified. Raises SourceError."""
        kind = "manifests" if descriptor.media_type in MANIFEST_TYPES else "blobs"
        accept = descriptor.media_type if kind == "manifests" else "*/*"
        async with self._request("GET", reference, f"{kind}/{descriptor.digest}", accept=accept) as response:
            data = await read_bounded(response, str(reference))
        actual = _digest_like(descriptor.digest, data)
        if actual != descriptor.digest:
            raise wrong_bytes(reference, descriptor.digest, actual)
        return data

    async def blob(
        self, reference: Reference, descriptor: Descriptor, sink: Callable[[bytes], Awaitable[object]]
    ) -> None:
        """Stream a blob into `sink` as it comes, in pieces of about 1 MiB.

        Exactly `descriptor.size_bytes` arrive, or SourceError is raised. The sink checks the digest: it
        hashes where it writes, off the event loop.
        """
        size = descriptor.size_bytes
        async with self._request("GET", reference, f"blobs/{descriptor.digest}", accept="*/*") as response:
            promised = response.headers.get("content-length", "")
            if promised.isdecimal() and int(promised) != size:
                raise broken(reference, descriptor, int(promised))
            try:
                received = await pour(response, response.aiter_raw(), sink, limit=size)
            except httpx.HTTPError as error:
                raise broken(reference, descriptor, response.num_bytes_downloaded, error) from error
        if received != size:
            raise broken(reference, descriptor, received)

    @asynccontextmanager
    async def _request(
        self, method: str, reference: Reference, path: str, *, accept: str
    ) -> AsyncIterator[httpx.Response]:
        """A successful response, its body unread; once more with a token when the registry asks for one."""
        url = f"{endpoint(reference.domain, plain=reference.domain in self._plain_http)}/v2/{reference.path}/{path}"
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        for attempt in (1, 2):
            if token := self._tokens.get(reference.name):
                headers["Authorization"] = f"Bearer {token}"
            try:
                async with (await self._client(reference.domain)).stream(method, url, headers=headers) as response:
                    challenge = parse_challenge(response.headers.get("www-authenticate", ""))
                    if response.status_code != 401 or attempt == 2 or challenge is None:
                        await check_status(response, reference)
                        yield response
                        return
                realm = await self._client(realm_host(challenge, reference))
                self._tokens[reference.name] = await anonymous_token(realm, challenge, reference)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise unreachable(reference, error) from error

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


def _wanted(reference: Reference) -> str:
    return reference.digest or reference.tag


def _digest_like(digest: Digest, data: bytes) -> Digest:
    return Digest(f"{digest.algorithm}:{hashlib.new(digest.algorithm, data).hexdigest()}")


def _claimed(header: str) -> Digest | None:
    """The digest a registry says its answer has; it may use an algorithm that is not ours."""
    try:
        digest = parse_digest(header)
    except ValueError:
        return None
    return digest if digest.algorithm in hashlib.algorithms_guaranteed else None
