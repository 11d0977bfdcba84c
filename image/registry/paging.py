"""Lists that a registry gives in pages. Spec: OCI distribution-spec 1.1, "Listing Tags"; RFC 8288 (`Link`)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx

from ...errors import SourceError

if TYPE_CHECKING:
    from .session import Place

__all__ = ["next_page"]


def next_page(response: httpx.Response, place: Place) -> str | None:
    """The URL of what follows; None: that was all. Only of the same server. Raises SourceError."""
    told = response.links.get("next", {}).get("url")
    if not told:
        return None
    url = httpx.URL(urljoin(str(response.url), told))
    if url.netloc != place.url.netloc:
        ref = str(place.repository)
        raise SourceError(f"{ref}: the registry sends us to {told[:200]!r} for the rest of its list", ref=ref)
    return str(url.copy_with(scheme=place.url.scheme))
