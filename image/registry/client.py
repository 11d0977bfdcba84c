"""The registry client's reading half: manifests and blobs by OCI distribution-spec 1.1.

One client serves a whole build and keeps its connections; whoever makes it closes it:

    async with RegistryClient() as registry:
        document = await registry.manifest(reference)
        await registry.blob(reference, layer, sink)

Every answer is bounded and checked against its digest or size.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import httpx

from ...digest import Digest, parse_digest, sha256_digest
from ...errors import SourceError
from ...log import log
from ..descriptor import Descriptor
from ..manifest import MANIFEST_TYPES, is_schema1, schema1_error
from ..strict_json import decode_json
from .body import pour, read_bounded
from .errors import broken, wrong_bytes
from .paging import next_page
from .session import SILENCE_S, RegistrySession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ..reference import Reference
    from .config import RegistryConfig
    from .session import Place

__all__ = ["Document", "RegistryClient"]

_ACCEPT = ", ".join(MANIFEST_TYPES)
_NO_HEAD = frozenset({405, 501})  # from registries that only know GET
_MOST_TAGS = 100_000
_WORTH_GOING_ON_BYTES = 64 << 10  # what broke off after less is not asked for again at once


class Document(NamedTuple):
    """A manifest or an index, verified."""

    descriptor: Descriptor
    data: bytes


class RegistryClient(RegistrySession):
    """Usable by many tasks at once, inside `async with`."""

    def __init__(self, registries: Iterable[RegistryConfig] = (), *, silence_s: float = SILENCE_S) -> None:
        super().__init__(registries, silence_s=silence_s)
        self._served: dict[Digest, Place] = {}  # blobs, and who sent them

    async def digest(self, reference: Reference) -> Digest | None:
        """What the registry says a tag points at now; None when it does not say. Costs no pull.

        Raises SourceError when there is no such image.
        """

        async def ask(place: Place) -> Digest | None:
            target = f"manifests/{_wanted(reference)}"
            async with self._request("HEAD", place, target, headers={"Accept": _ACCEPT}, expected=_NO_HEAD) as response:
                return _claimed(response.headers.get("docker-content-digest", ""))

        return await self._read(reference, ask)

    async def manifest(self, reference: Reference) -> Document:
        """What a tag or digest points at. Raises SourceError, also when the bytes are not those of the digest."""
        return await self._read(reference, partial(self._manifest, reference))

    async def _manifest(self, reference: Reference, place: Place) -> Document:
        target = f"manifests/{_wanted(reference)}"
        async with self._request("GET", place, target, headers={"Accept": _ACCEPT}) as response:
            data = await read_bounded(response, str(reference))
            media_type = response.headers.get("content-type", "").partition(";")[0].strip()
            claimed = response.headers.get("docker-content-digest", "")
        if is_schema1(media_type):  # whose digest is not one of these bytes
            raise schema1_error(str(reference))
        expected = reference.digest or _claimed(claimed) or sha256_digest(data)
        digest = _digest_like(expected, data)
        if expected != digest:
            raise wrong_bytes(place.repository, expected, digest)
        return Document(Descriptor(media_type=media_type, digest=digest, size_bytes=len(data)), data)

    async def tags(self, repository: Reference) -> tuple[str, ...]:
        """All tags of a repository, as the registry itself lists them. Raises SourceError; also when there are none."""
        place, found = await self._home(repository), list[str]()
        ref, target = str(place.repository), "tags/list"
        while target:
            async with self._request("GET", place, target, headers={}) as response:
                data = await read_bounded(response, ref)
                target = next_page(response, place) or ""
            tags = decode_json(data, what="list of tags", ref=ref).texts("tags") or ()
            found += tags
            if len(found) > _MOST_TAGS or (target and not tags):
                raise SourceError(f"{ref}: the registry's list of tags has no end", ref=ref)
        if not found:
            raise SourceError(f"{ref} has no tags", ref=ref)
        return tuple(found)

    async def document(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """A config, manifest or index that something else points at, whole and verified. Raises SourceError."""
        return await self._read(reference, partial(self._document, reference, descriptor))

    async def _document(self, reference: Reference, descriptor: Descriptor, place: Place) -> bytes:
        kind = "manifests" if descriptor.media_type in MANIFEST_TYPES else "blobs"
        accept = descriptor.media_type if kind == "manifests" else "*/*"
        target = f"{kind}/{descriptor.digest}"
        async with self._request("GET", place, target, headers={"Accept": accept}) as response:
            data = await read_bounded(response, str(reference))
        if len(data) < descriptor.size_bytes:
            raise broken(place.repository, descriptor, len(data))
        actual = _digest_like(descriptor.digest, data)
        if actual != descriptor.digest:
            raise wrong_bytes(place.repository, descriptor.digest, actual)
        return data

    async def blob(
        self,
        reference: Reference,
        descriptor: Descriptor,
        sink: Callable[[bytes], Awaitable[object]],
        *,
        received: int = 0,
    ) -> None:
        """Stream a blob into `sink` as it comes, in pieces of about 1 MiB.

        received: how much of it the sink has from an earlier call: only the rest is asked for, here as well when a
        connection breaks. Together exactly `descriptor.size_bytes` arrive, or SourceError is raised. The sink checks
        the digest: it hashes where it writes, off the event loop; `distrust` tells of one that was wrong.
        """
        progress = _Progress(sink, received)

        async def ask(place: Place) -> None:
            while (before := progress.received) < descriptor.size_bytes or not before:
                try:
                    await self._blob(place, descriptor, progress)
                except SourceError as error:
                    if not error.transient or progress.received < before + _WORTH_GOING_ON_BYTES:
                        raise
                    log.info("download went on", blob=descriptor.digest, at=progress.received, error=error.message)
                else:
                    self._served[descriptor.digest] = place
                    return

        await self._read(reference, ask)

    async def _blob(self, place: Place, descriptor: Descriptor, progress: _Progress) -> None:
        """Once, from where it got to. Spec: RFC 9110, section 14 (a server may send everything all the same)."""
        size, begin, reference = descriptor.size_bytes, progress.received, place.repository
        headers = {"Accept": "*/*", "Range": f"bytes={begin}-"} if begin else {"Accept": "*/*"}
        target = f"blobs/{descriptor.digest}"
        async with self._request("GET", place, target, headers=headers) as response:
            base = begin if begin and _starts_at(response, begin) else 0
            promised = response.headers.get("content-length", "")
            if promised.isdecimal() and int(promised) != size - base:
                raise broken(reference, descriptor, base + int(promised))
            try:
                came = await pour(response, response.aiter_raw(), progress.skipping(begin - base), limit=size - base)
            except httpx.HTTPError as error:
                if progress.received == size:
                    return
                raise broken(reference, descriptor, progress.received, error) from error
        if came != size - base:
            raise broken(reference, descriptor, base + came)

    def distrust(self, digest: Digest) -> bool:
        """A blob had other bytes than it should. Whether it came from a mirror: that is left alone from now on."""
        place = self._served.pop(digest, None)
        if place is None or not place.stands_for:
            return False
        self.leave_alone(place.host.domain)
        return True


class _Progress:
    """How far a download got, over all the connections that it takes."""

    def __init__(self, sink: Callable[[bytes], Awaitable[object]], received: int) -> None:
        self._sink = sink
        self.received = received

    def skipping(self, count: int) -> Callable[[bytes], Awaitable[None]]:
        """The sink of one answer, whose first bytes are here already."""

        async def take(piece: bytes) -> None:
            nonlocal count
            new, count = piece[count:], max(0, count - len(piece))
            if new:
                await self._sink(new)
                self.received += len(new)

        return take


def _starts_at(response: httpx.Response, begin: int) -> bool:
    """Whether the answer is the part that was asked for, rather than the whole."""
    given = response.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0].strip()
    return response.status_code == 206 and given == str(begin)


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
