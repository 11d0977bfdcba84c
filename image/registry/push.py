"""The registry client's writing half: blobs and manifests pushed by OCI distribution-spec 1.1.

    async with RegistryPusher() as registry:
        await registry.push_blob(reference, layer, partial(content.open, layer.digest), report)
        await registry.push_manifest(reference, media_type, data)

A blob that the repository has is not sent. A small one goes in one request; a large one in chunks, so that after
a broken connection only the rest is sent again: call `push_blob` once more, and it goes on where the registry says
it got to. A registry that knows no chunks gets the blob whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

import anyio
import httpx

from ...blocking import run_blocking
from ...digest import sha256_digest
from ...errors import SourceError
from ...log import log
from ...values import frozen
from ..attestation import ATTESTATION_ARTIFACT
from ..descriptor import MediaType
from .access import PUSH, Access
from .errors import check_status
from .failures import PASSING
from .referrers import ReferrersClient, referrer_of, referrers_tag, with_referrer
from .sending import FilePart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO, TypeAlias

    from ...digest import Digest
    from ..descriptor import Descriptor
    from ..reference import Reference
    from .config import RegistryConfig
    from .connections import Body
    from .session import Place

    OpenBlob: TypeAlias = Callable[[], BinaryIO]
    Report: TypeAlias = Callable[[str, int, int], None]  # what, bytes so far, bytes in all

__all__ = ["RegistryPusher"]

_CHUNK_BYTES = 64 << 20  # a registry syncs its disk after each
_LITTLE_BYTES = 64 << 10  # not worth a connection of its own
_BYTES = "application/octet-stream"
_EMPTY = {"Content-Length": "0"}
_MISSING = frozenset({404})
_NO_CHUNKS = frozenset({404, 405, 411, 415, 416, 501})  # what registries without chunked uploads answer to PATCH


@frozen
class _Upload:
    """An upload under way: where to send what follows, how much has arrived, the least that a chunk may have."""

    location: str
    offset: int = 0
    chunk_bytes: int = _CHUNK_BYTES


class RegistryPusher(ReferrersClient):
    """Usable by many tasks at once, inside `async with`; no two of them may push the same blob to one repository."""

    def __init__(self, registries: Iterable[RegistryConfig] = (), *, chunk_bytes: int = _CHUNK_BYTES) -> None:
        super().__init__(registries)
        self._chunk_bytes = chunk_bytes
        self._uploads: dict[tuple[str, Digest], _Upload] = {}  # those that broke off
        self._there: set[tuple[str, Digest]] = set()  # blobs that repositories are known to have
        self._without_chunks: set[str] = set()  # registries
        self._listing: dict[tuple[str, Digest], anyio.Lock] = {}  # of referrers, by repository and subject

    async def has_blob(self, reference: Reference, digest: Digest) -> bool:
        """Whether the repository has the blob. Raises SourceError."""
        return await self._has_blob(await self._home(reference), digest)

    async def _has_blob(self, place: Place, digest: Digest) -> bool:
        known = (place.repository.name, digest)
        if known in self._there:
            return True
        async with self._request(
            "HEAD", place, f"blobs/{digest}", headers={}, access=PUSH, expected=_MISSING
        ) as response:
            if response.status_code != 404:
                self._there.add(known)
        return known in self._there

    async def mount_blob(self, reference: Reference, digest: Digest, source: Reference) -> bool:
        """Have the registry take the blob over from another of its repositories; False: it does not, whatever for.

        Spec: "Mounting a blob from another repository". Raises SourceError when the registry cannot be spoken to.
        """
        assert source.domain == reference.domain, "only within a registry"
        place = await self._home(reference)
        access = Access(PUSH.actions, also_pull=(source.path,))
        target = f"blobs/uploads/?mount={digest}&from={source.path}"
        try:
            async with self._request("POST", place, target, headers=_EMPTY, access=access) as response:
                if response.status_code == 201:
                    self._there.add((reference.name, digest))
                    return True
                # The registry has begun an upload instead.
                self._uploads[reference.name, digest] = self._begun(place, response)
        except SourceError as error:  # it may not let us read there, which is no reason not to push here
            if error.transient:
                raise
            log.info("mount was refused", blob=digest, source=source.name, error=error.message)
        return False

    async def push_blob(
        self, reference: Reference, blob: Descriptor, open_blob: OpenBlob, report: Report, *, missing: bool = False
    ) -> bool:
        """See that the repository has the blob; False: it had it before, and nothing was sent.

        open_blob: called in other threads, several times. missing: it was just asked, and has not. Raises
        SourceError; after a transient one the next call goes on where this one stopped, if the registry lets it.
        """
        place = await self._home(reference)
        if not missing and await self._has_blob(place, blob.digest):
            return False
        upload = await self._resumed(place, blob)
        if upload is None:
            upload = await self._start(place)
        large = blob.size_bytes > upload.chunk_bytes
        if upload.offset or (large and reference.domain not in self._without_chunks):
            upload = await self._send_chunks(place, blob, upload, open_blob, report)
        await self._finish(place, blob, upload, open_blob, report)
        self._there.add((reference.name, blob.digest))
        return True

    async def push_manifest(self, reference: Reference, media_type: str, data: bytes) -> Digest:
        """Store a manifest, under the reference's tag or digest; its digest. Raises SourceError.

        Nothing is sent when it is what the reference stands for already: a registry may forbid to set a tag again.
        One with a `subject` is listed with what refers to that, by the registry or else by us (but for attestations).
        """
        digest, place = sha256_digest(data), await self._home(reference)
        wanted = reference.tag or reference.digest or digest
        referrer = referrer_of(data, media_type, ref=str(reference))
        if referrer is None and await self._stands_for(place, wanted, media_type) == digest:
            return digest
        listed = await self._put(place, wanted, media_type, data)
        # Attestations stand in their image's index. A list of them would grow with every build, and nobody shortens it.
        if referrer is not None and not listed and referrer[1].artifact_type != ATTESTATION_ARTIFACT:
            await self._list_referrer(place, *referrer)
        return digest

    async def _put(self, place: Place, wanted: str, media_type: str, data: bytes) -> bool:
        """Whether the registry has listed it with what refers to its subject."""
        digest, ref = sha256_digest(data), str(place.repository)
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))}
        async with self._request(
            "PUT", place, f"manifests/{wanted}", headers=headers, access=PUSH, body=data
        ) as response:
            said, listed = response.headers.get("docker-content-digest", digest), "oci-subject" in response.headers
        if said != digest:
            raise SourceError(
                f"{ref}: the registry stored other bytes than were sent: expected {digest}, found {said[:80]}", ref=ref
            )
        return listed

    async def _list_referrer(self, place: Place, subject: Digest, entry: Descriptor) -> None:
        async with self._listing.setdefault((place.repository.name, subject), anyio.Lock()):
            index = with_referrer(await self._tagged_index(subject, place), entry, ref=str(place.repository))
            if index is not None:
                await self._put(place, referrers_tag(subject), MediaType.OCI_INDEX, index)

    async def _stands_for(self, place: Place, wanted: str, media_type: str) -> str:
        """The digest of the manifest that is there, "" for none or an unknown one."""
        async with self._request(
            "HEAD", place, f"manifests/{wanted}", headers={"Accept": media_type}, access=PUSH, expected=_MISSING
        ) as response:
            return str(response.headers.get("docker-content-digest", "")) if response.status_code == 200 else ""

    async def _start(self, place: Place) -> _Upload:
        async with self._request("POST", place, "blobs/uploads/", headers=_EMPTY, access=PUSH) as response:
            return self._begun(place, response)

    def _begun(self, place: Place, response: httpx.Response) -> _Upload:
        least = response.headers.get("oci-chunk-min-length", "")
        chunk = max(self._chunk_bytes, int(least) if least.isdecimal() else 0)
        return _Upload(location=_location(place, response), chunk_bytes=chunk)

    async def _resumed(self, place: Place, blob: Descriptor) -> _Upload | None:
        """An upload of this blob that broke off, if the registry still knows it."""
        upload = self._uploads.pop((place.repository.name, blob.digest), None)
        if upload is None:
            return None
        async with self._request(
            "GET", place, upload.location, headers={}, access=PUSH, expected=frozenset(range(400, 500)) - PASSING
        ) as response:
            if response.status_code >= 400:
                return None
            arrived = _arrived(response)
            if arrived is None or arrived > blob.size_bytes:
                return None
            location = _location(place, response) if "location" in response.headers else upload.location
            return _Upload(location=location, offset=arrived, chunk_bytes=upload.chunk_bytes)

    async def _send_chunks(
        self, place: Place, blob: Descriptor, upload: _Upload, open_blob: OpenBlob, report: Report
    ) -> _Upload:
        """Everything but the closing request. A registry that wants none of it gets a new, whole upload."""
        name = place.repository.name
        while upload.offset < blob.size_bytes:
            size = min(upload.chunk_bytes, blob.size_bytes - upload.offset)
            headers = {
                "Content-Type": _BYTES,
                "Content-Length": str(size),
                "Content-Range": f"{upload.offset}-{upload.offset + size - 1}",
            }
            self._uploads[name, blob.digest] = upload
            async with self._request(
                "PATCH",
                place,
                upload.location,
                headers=headers,
                access=PUSH,
                body=await _body(open_blob, blob, upload.offset, size, report),
                expected=_NO_CHUNKS,
            ) as response:
                if response.status_code in _NO_CHUNKS:
                    del self._uploads[name, blob.digest]
                    if upload.offset:  # it took chunks before
                        await check_status(response, place.repository)
                    self._without_chunks.add(place.repository.domain)
                    return await self._start(place)
                upload = _Upload(
                    location=_location(place, response), offset=upload.offset + size, chunk_bytes=upload.chunk_bytes
                )
        self._uploads.pop((name, blob.digest), None)
        return upload

    async def _finish(
        self, place: Place, blob: Descriptor, upload: _Upload, open_blob: OpenBlob, report: Report
    ) -> None:
        """The closing request, with the whole blob in it when nothing was sent yet."""
        url = httpx.URL(upload.location).copy_merge_params({"digest": blob.digest})
        whole = upload.offset == 0 and blob.size_bytes > 0
        headers = {"Content-Type": _BYTES, "Content-Length": str(blob.size_bytes if whole else 0)}
        body = await _body(open_blob, blob, 0, blob.size_bytes, report) if whole else None
        async with self._request("PUT", place, str(url), headers=headers, access=PUSH, body=body):
            report(f"pushing {blob.digest.short}", blob.size_bytes, blob.size_bytes)


def _location(place: Place, response: httpx.Response) -> str:
    """Where the upload goes on. A registry behind a proxy may believe that it is spoken to in http."""
    told, home = response.headers.get("location", ""), place.url
    url = httpx.URL(urljoin(str(response.url), told))
    if url.netloc == home.netloc or url.host == home.host:
        url = url.copy_with(scheme=home.scheme)
    if not told or not (url.scheme == "https" or url.netloc == home.netloc):
        ref = str(place.repository)
        raise SourceError(f"{ref}: the registry sends uploads to {told[:200]!r}; expected an https URL", ref=ref)
    return str(url)


def _arrived(response: httpx.Response) -> int | None:
    """How many bytes the registry has, by its `Range: 0-N` (inclusive); None when it does not say."""
    first, _, last = response.headers.get("range", "").removeprefix("bytes=").partition("-")
    if first != "0" or not last.isdecimal():
        return None
    # An upload without a byte is told as 0-0, and so is one of a single byte: the byte is sent again.
    return int(last) + 1 if int(last) else 0


async def _body(open_blob: OpenBlob, blob: Descriptor, offset: int, size: int, report: Report) -> Body:
    """Part of a blob as a request's body."""
    what = f"pushing {blob.digest.short}"
    part = FilePart(
        f"blob {blob.digest}", open_blob, offset, size, lambda sent: report(what, offset + sent, blob.size_bytes)
    )
    return await run_blocking(part.read) if size <= _LITTLE_BYTES else part
