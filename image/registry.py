"""The registry client's reading half: manifests and blobs by OCI distribution-spec 1.1.

One client serves a whole build and keeps its connections; whoever makes it closes it:

    async with RegistryClient() as registry:
        document = await registry.manifest(reference)
        await registry.blob(reference, layer, sink)

Every answer is bounded and checked against its digest or size.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import httpx

from ..digest import Digest, parse_digest, sha256_digest
from .descriptor import Descriptor
from .manifest import MANIFEST_TYPES
from .registry_body import pour, read_bounded
from .registry_errors import broken, wrong_bytes
from .registry_session import RegistrySession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .reference import Reference

__all__ = ["Document", "RegistryClient"]

_ACCEPT = ", ".join(MANIFEST_TYPES)


class Document(NamedTuple):
    """A manifest or an index, verified."""

    descriptor: Descriptor
    data: bytes


class RegistryClient(RegistrySession):
    """Usable by many tasks at once, inside `async with`."""

    async def digest(self, reference: Reference) -> Digest | None:
        """What the registry says a tag points at now; None when it does not say. Costs no pull.

        Raises SourceError when there is no such image.
        """
        async with self._request(
            "HEAD", reference, f"manifests/{_wanted(reference)}", headers={"Accept": _ACCEPT}
        ) as response:
            return _claimed(response.headers.get("docker-content-digest", ""))

    async def manifest(self, reference: Reference) -> Document:
        """What a tag or digest points at. Raises SourceError, also when the bytes are not those of the digest."""
        async with self._request(
            "GET", reference, f"manifests/{_wanted(reference)}", headers={"Accept": _ACCEPT}
        ) as response:
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
        async with self._request(
            "GET", reference, f"{kind}/{descriptor.digest}", headers={"Accept": accept}
        ) as response:
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
        async with self._request("GET", reference, f"blobs/{descriptor.digest}", headers={"Accept": "*/*"}) as response:
            promised = response.headers.get("content-length", "")
            if promised.isdecimal() and int(promised) != size:
                raise broken(reference, descriptor, int(promised))
            try:
                received = await pour(response, response.aiter_raw(), sink, limit=size)
            except httpx.HTTPError as error:
                raise broken(reference, descriptor, response.num_bytes_downloaded, error) from error
        if received != size:
            raise broken(reference, descriptor, received)


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
