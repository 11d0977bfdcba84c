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

import httpx

from ..blocking import run_blocking
from ..digest import sha256_digest
from ..errors import SourceError
from ..values import frozen
from .registry import RegistryClient
from .registry_errors import check_status
from .registry_session import PUSH, Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from typing import BinaryIO, TypeAlias

    from ..digest import Digest
    from .descriptor import Descriptor
    from .reference import Reference
    from .registry_session import Body

    OpenBlob: TypeAlias = Callable[[], BinaryIO]
    Report: TypeAlias = Callable[[str, int, int], None]  # what, bytes so far, bytes in all

__all__ = ["RegistryPusher"]

_CHUNK_BYTES = 64 << 20  # a registry syncs its disk after each
_PIECE_BYTES = 1 << 20
_BYTES = "application/octet-stream"
_MISSING = frozenset({404})
_NO_CHUNKS = frozenset({404, 405, 411, 415, 416, 501})  # what registries without chunked uploads answer to PATCH


@frozen
class _Upload:
    """An upload under way: where to send what follows, how much has arrived, the least that a chunk may have."""

    location: str
    offset: int = 0
    chunk_bytes: int = _CHUNK_BYTES


class RegistryPusher(RegistryClient):
    """Usable by many tasks at once, inside `async with`; no two of them may push the same blob to one repository."""

    def __init__(self, *, plain_http: Collection[str] = (), chunk_bytes: int = _CHUNK_BYTES) -> None:
        super().__init__(plain_http=plain_http)
        self._chunk_bytes = chunk_bytes
        self._uploads: dict[tuple[str, Digest], _Upload] = {}  # those that broke off
        self._without_chunks: set[str] = set()  # registries

    async def has_blob(self, reference: Reference, digest: Digest) -> bool:
        """Whether the repository has the blob. Raises SourceError."""
        async with self._request(
            "HEAD", reference, f"blobs/{digest}", headers={}, access=PUSH, expected=_MISSING
        ) as response:
            return response.status_code != 404

    async def mount_blob(self, reference: Reference, digest: Digest, source: Reference) -> bool:
        """Have the registry take the blob over from another of its repositories; False: it does not.

        Spec: "Mounting a blob from another repository". Raises SourceError.
        """
        assert source.domain == reference.domain, "only within a registry"
        target = f"blobs/uploads/?mount={digest}&from={source.path}"
        async with self._request(
            "POST",
            reference,
            target,
            headers={"Content-Length": "0"},
            access=Access(PUSH.actions, also_pull=(source.path,)),
        ) as response:
            if response.status_code == 201:
                return True
            # The registry has begun an upload instead.
            self._uploads[reference.name, digest] = self._begun(reference, response)
            return False

    async def push_blob(self, reference: Reference, blob: Descriptor, open_blob: OpenBlob, report: Report) -> bool:
        """See that the repository has the blob; False: it had it before, and nothing was sent.

        open_blob: called in other threads, several times. Raises SourceError; after a transient one the next call
        goes on where this one stopped, if the registry lets it.
        """
        if await self.has_blob(reference, blob.digest):
            return False
        upload = await self._resumed(reference, blob)
        if upload is None:
            upload = await self._start(reference)
        large = blob.size_bytes > upload.chunk_bytes
        if upload.offset or (large and reference.domain not in self._without_chunks):
            upload = await self._send_chunks(reference, blob, upload, open_blob, report)
        await self._finish(reference, blob, upload, open_blob, report)
        return True

    async def push_manifest(self, reference: Reference, media_type: str, data: bytes) -> Digest:
        """Store a manifest, under the reference's tag or digest; its digest. Raises SourceError."""
        digest = sha256_digest(data)
        target = f"manifests/{reference.tag or reference.digest or digest}"
        headers = {"Content-Type": media_type, "Content-Length": str(len(data))}
        async with self._request("PUT", reference, target, headers=headers, access=PUSH, body=lambda: data) as response:
            said = response.headers.get("docker-content-digest", digest)
        if said != digest:
            raise SourceError(
                f"{reference}: the registry stored other bytes than were sent: expected {digest}, found {said[:80]}",
                ref=str(reference),
            )
        return digest

    async def _start(self, reference: Reference) -> _Upload:
        async with self._request(
            "POST", reference, "blobs/uploads/", headers={"Content-Length": "0"}, access=PUSH
        ) as response:
            return self._begun(reference, response)

    def _begun(self, reference: Reference, response: httpx.Response) -> _Upload:
        least = response.headers.get("oci-chunk-min-length", "")
        chunk = max(self._chunk_bytes, int(least) if least.isdecimal() else 0)
        return _Upload(location=self._location(reference, response), chunk_bytes=chunk)

    async def _resumed(self, reference: Reference, blob: Descriptor) -> _Upload | None:
        """An upload of this blob that broke off, if the registry still knows it."""
        upload = self._uploads.pop((reference.name, blob.digest), None)
        if upload is None:
            return None
        async with self._request(
            "GET", reference, upload.location, headers={}, access=PUSH, expected=frozenset(range(400, 500))
        ) as response:
            if response.status_code >= 400:
                return None
            arrived = _arrived(response)
            if arrived is None or arrived > blob.size_bytes:
                return None
            location = self._location(reference, response) if "location" in response.headers else upload.location
            return _Upload(location=location, offset=arrived, chunk_bytes=upload.chunk_bytes)

    async def _send_chunks(
        self, reference: Reference, blob: Descriptor, upload: _Upload, open_blob: OpenBlob, report: Report
    ) -> _Upload:
        """Everything but the closing request. A registry that wants none of it gets a new, whole upload."""
        while upload.offset < blob.size_bytes:
            size = min(upload.chunk_bytes, blob.size_bytes - upload.offset)
            headers = {
                "Content-Type": _BYTES,
                "Content-Length": str(size),
                "Content-Range": f"{upload.offset}-{upload.offset + size - 1}",
            }
            self._uploads[reference.name, blob.digest] = upload
            async with self._request(
                "PATCH",
                reference,
                upload.location,
                headers=headers,
                access=PUSH,
                body=_pieces(open_blob, blob, upload.offset, size, report),
                expected=_NO_CHUNKS,
            ) as response:
                if response.status_code in _NO_CHUNKS:
                    del self._uploads[reference.name, blob.digest]
                    if upload.offset:  # it took chunks before
                        await check_status(response, reference)
                    self._without_chunks.add(reference.domain)
                    return await self._start(reference)
                upload = _Upload(
                    location=self._location(reference, response),
                    offset=upload.offset + size,
                    chunk_bytes=upload.chunk_bytes,
                )
        self._uploads.pop((reference.name, blob.digest), None)
        return upload

    async def _finish(
        self, reference: Reference, blob: Descriptor, upload: _Upload, open_blob: OpenBlob, report: Report
    ) -> None:
        """The closing request, with the whole blob in it when nothing was sent yet."""
        url = httpx.URL(upload.location).copy_merge_params({"digest": blob.digest})
        whole = upload.offset == 0 and blob.size_bytes > 0
        headers = {"Content-Type": _BYTES, "Content-Length": str(blob.size_bytes if whole else 0)}
        body = _pieces(open_blob, blob, 0, blob.size_bytes, report) if whole else None
        async with self._request("PUT", reference, str(url), headers=headers, access=PUSH, body=body):
            report(f"pushing {blob.digest.short}", blob.size_bytes, blob.size_bytes)

    def _location(self, reference: Reference, response: httpx.Response) -> str:
        """Where the upload goes on. A registry behind a proxy may believe that it is spoken to in http."""
        told = response.headers.get("location", "")
        url = httpx.URL(urljoin(str(response.url), told))
        home = self._home(reference)
        if url.netloc == home.netloc or url.host == home.host:
            url = url.copy_with(scheme=home.scheme)
        if not told or not (url.scheme == "https" or url.netloc == home.netloc):
            raise SourceError(
                f"{reference}: the registry sends uploads to {told[:200]!r}; expected an https URL", ref=str(reference)
            )
        return str(url)


def _arrived(response: httpx.Response) -> int | None:
    """How many bytes the registry has, by its `Range: 0-N` (inclusive); None when it does not say."""
    first, _, last = response.headers.get("range", "").removeprefix("bytes=").partition("-")
    if first != "0" or not last.isdecimal():
        return None
    # An upload without a byte is told as 0-0, and so is one of a single byte: the byte is sent again.
    return int(last) + 1 if int(last) else 0


def _pieces(open_blob: OpenBlob, blob: Descriptor, offset: int, size: int, report: Report) -> Body:
    """Part of a blob as a request's body; read a piece at a time, as the registry takes it."""

    def read(start: int, count: int) -> bytes:
        with open_blob() as file:
            file.seek(start)
            return file.read(count)

    async def body() -> AsyncIterator[bytes]:
        sent = 0
        while sent < size:
            piece = await run_blocking(read, offset + sent, min(_PIECE_BYTES, size - sent))
            if not piece:
                raise SourceError(f"blob {blob.digest} is shorter than {blob.size_bytes} bytes", ref=blob.digest)
            yield piece
            sent += len(piece)
            report(f"pushing {blob.digest.short}", offset + sent, blob.size_bytes)

    return body
