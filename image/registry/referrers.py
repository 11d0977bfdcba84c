"""What refers to an image: signatures, attestations and other artifacts whose manifest names it as its `subject`.

Spec: OCI distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema": a registry that does not keep the list
gets it from its clients, as an index under the tag `sha256-<hex>` of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from ...digest import Digest, sha256_digest
from ...errors import SourceError
from ..descriptor import Descriptor, MediaType
from ..manifest import Index, decode_descriptor, decode_manifest, encode_descriptor
from ..strict_json import decode_json, encode_json
from .body import read_bounded
from .client import RegistryClient
from .paging import next_page

if TYPE_CHECKING:
    from ..reference import Reference
    from .session import Place

__all__ = ["ReferrersClient", "referrer_of", "referrers_tag", "with_referrer"]

_MOST_PAGES = 64
_NO_API = frozenset({400, 404, 405, 501})
_MISSING = frozenset({404})


class ReferrersClient(RegistryClient):
    """Usable by many tasks at once, inside `async with`."""

    async def referrers(self, reference: Reference, digest: Digest, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """What refers to the manifest with this digest, all or of one type. Raises SourceError.

        The registry itself is asked: its mirrors need not know of everything.
        """
        found = await self._listed(digest, artifact_type, await self._home(reference))
        return tuple(entry for entry in found if artifact_type in ("", entry.artifact_type))

    async def _listed(self, digest: Digest, artifact_type: str, place: Place) -> tuple[Descriptor, ...]:
        url = httpx.URL(f"{place.url}/referrers/{digest}")
        target = str(url.copy_merge_params({"artifactType": artifact_type}) if artifact_type else url)
        found: list[Descriptor] = []
        for _ in range(_MOST_PAGES):
            async with self._request(
                "GET", place, target, headers={"Accept": MediaType.OCI_INDEX}, expected=_NO_API
            ) as response:
                if response.status_code in _NO_API:
                    return await self._tagged(digest, place)
                data = await read_bounded(response, str(place.repository))
                more = next_page(response, place)
            found += _entries(data, str(place.repository))
            if more is None:
                break
            target = more
        return tuple(found)

    async def _tagged(self, digest: Digest, place: Place) -> tuple[Descriptor, ...]:
        data = await self._tagged_index(digest, place)
        return () if data is None else _entries(data, str(place.repository))

    async def _tagged_index(self, digest: Digest, place: Place) -> bytes | None:
        """The index that clients keep; None: there is none yet."""
        target, headers = f"manifests/{referrers_tag(digest)}", {"Accept": MediaType.OCI_INDEX}
        async with self._request("GET", place, target, headers=headers, expected=_MISSING) as response:
            return None if response.status_code == 404 else await read_bounded(response, str(place.repository))


def _entries(data: bytes, ref: str) -> tuple[Descriptor, ...]:
    document = decode_manifest(data, ref=ref)
    if not isinstance(document, Index):
        raise SourceError(f"{ref}: expected a list of referrers, found a manifest", ref=ref)
    return document.manifests


def referrers_tag(digest: Digest) -> str:
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def referrer_of(data: bytes, media_type: str, *, ref: str) -> tuple[Digest, Descriptor] | None:
    """The manifest's subject, and the manifest as the subject's list has it; None when it has no subject.

    Raises SourceError.
    """
    if b'"subject"' not in data:
        return None
    top = decode_json(data, what="manifest", ref=ref)
    subject = top.child("subject")
    if subject is None:
        return None
    config = top.child("config")
    kind = top.text("artifactType") or (config.text("mediaType") if config is not None else "")
    entry = Descriptor(
        media_type=media_type,
        digest=sha256_digest(data),
        size_bytes=len(data),
        artifact_type=kind,
        annotations=top.text_map("annotations"),
    )
    return decode_descriptor(subject).digest, entry


def with_referrer(index: bytes | None, entry: Descriptor, *, ref: str) -> bytes | None:
    """The index with this entry too; None: it has it. What else stands in it stays. Raises SourceError."""
    fields: dict[str, Any] = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX}
    if index is not None:
        if any(known.digest == entry.digest for known in _entries(index, ref)):
            return None
        fields = decode_json(index, what="list of referrers", ref=ref).values
    return encode_json(
        {**fields, "manifests": [*(fields.get("manifests") or ()), encode_descriptor(entry)]}, indent=True
    )
