"""Image sources of every kind behind one face: registries and the local store, and OCI layouts of the client.

docker-image://docker.io/library/busybox:latest@sha256:…
oci-layout:///path/of/folder-or-archive:tag@sha256:…
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from ..blocking import run_blocking
from ..errors import SourceError
from .source import ImageSource, OciLayoutSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ..image import Descriptor
    from ..platforms import Platform
    from .content import ContentStore
    from .source import ResolvedImage
    from .source.images import ResolveMode

__all__ = ["Images", "LayoutAddress", "parse_layout_address"]


class LayoutAddress(NamedTuple):
    """Where an OCI layout lies, and which image of it: a tag, a name or a digest; "" for its only one."""

    path: str
    name: str


def parse_layout_address(text: str) -> LayoutAddress:
    """Read `PATH[:TAG][@DIGEST]`, as after `oci-layout://`. A digest is more exact than a tag, so it wins."""
    path, _, digest = text.partition("@")
    head, colon, tag = path.rpartition(":")
    if colon and "/" not in tag:
        return LayoutAddress(head, digest or tag)
    return LayoutAddress(path, digest)


class Images:
    """Resolves and fetches images for a whole build; closes what it opened (`async with`)."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self._registries = ImageSource(store)
        self._layouts: dict[str, OciLayoutSource] = {}

    async def __aenter__(self) -> Self:
        await self._registries.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._registries.__aexit__(kind, error, trace)

    async def resolve(self, identifier: str, platform: Platform, mode: str) -> ResolvedImage:
        """What a source stands for on `platform`; no layer is fetched. Raises SourceError.

        `mode` is BuildKit's image.resolvemode: default, pull or local.
        """
        scheme, ref = _split(identifier)
        if scheme == "oci-layout":
            address = parse_layout_address(ref)
            return await run_blocking(self._layout(address.path).resolve, address.name, platform)
        return await self._registries.resolve(ref, platform, cast("ResolveMode", mode))

    async def fetch_layer(self, origin: str, layer: Descriptor, progress: Callable[[int], object]) -> None:
        """Bring a layer of the image `origin` into the content store. Raises SourceError."""
        scheme, ref = _split(origin)
        if scheme == "oci-layout":
            await run_blocking(self._layout(parse_layout_address(ref).path).fetch_layer, layer, progress)
        else:
            await self._registries.fetch_layer(ref, layer, progress)

    def _layout(self, path: str) -> OciLayoutSource:
        if path not in self._layouts:
            self._layouts[path] = OciLayoutSource(path, self._store)
        return self._layouts[path]


def _split(identifier: str) -> tuple[str, str]:
    scheme, _, ref = identifier.partition("://")
    if scheme not in {"docker-image", "oci-layout"}:
        raise SourceError(f"sources of kind {scheme}:// are not supported yet", ref=identifier)
    return scheme, ref
