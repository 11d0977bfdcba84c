"""From a descriptor to everything a build must know of an image: a pure walk over small blobs.

The walk asks `read` for one document after the other. One that is not here raises NotFoundError with
its descriptor in `MissingBlobError`, so that the async side fetches exactly that and walks again; the cached
path reads the store and never waits. Layers are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CorruptError, NotFoundError, SourceError
from ...image import CONFIG_TYPES_OF_ALL, Descriptor, Index, decode_config, decode_manifest, images_of, select_platform
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...digest import Digest
    from ...image import ImageConfig, Reference
    from ...platforms import Platform
    from ..content import ContentStore

    Report: TypeAlias = Callable[[str, int, int], object]  # what, bytes so far, bytes in all

__all__ = ["MissingBlobError", "Report", "ResolvedImage", "descriptor_of", "load_image", "read_stored", "resolve_known"]

_MAX_INDEX_DEPTH = 4


@frozen
class ResolvedImage:
    """What a reference stands for.

    `ref` is canonical: a reference, or `oci-layout://PATH[:NAME]`. `target` is what the name points at (an
    index, or a manifest); `manifest` the one image in it for the platform. `layers` pairs diff ids with
    blobs, bottom first.
    """

    ref: str
    target: Descriptor
    manifest: Descriptor
    config: ImageConfig
    layers: tuple[tuple[Digest, Descriptor], ...]

    @property
    def digest(self) -> Digest:
        """What to pin the reference to: the same for every platform."""
        return self.target.digest


class MissingBlobError(NotFoundError):
    """A document of the image is not here; `descriptor` says which."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__(f"blob {descriptor.digest} is not here")
        self.descriptor = descriptor


def load_image(
    read: Callable[[Descriptor], bytes], target: Descriptor, platform: Platform, *, ref: str
) -> ResolvedImage:
    """Walk from `target` to the image for `platform`.

    read: raises MissingBlobError for what is not here. Raises SourceError when the image is malformed or is
    not made for the platform.
    """
    descriptor = target
    for _ in range(_MAX_INDEX_DEPTH):
        document = decode_manifest(read(descriptor), ref=ref)
        if not isinstance(document, Index):
            break
        descriptor = _select(document, platform, ref)
    else:
        raise SourceError(f"{ref}: its indexes are nested deeper than {_MAX_INDEX_DEPTH}", ref=ref)
    config = decode_config(read(document.config), ref=ref)
    if len(config.diff_ids) != len(document.layers):
        raise SourceError(
            f"{ref}: its config lists {len(config.diff_ids)} layers, its manifest {len(document.layers)}", ref=ref
        )
    layers = tuple(zip(config.diff_ids, document.layers, strict=True))
    return ResolvedImage(ref=ref, target=target, manifest=descriptor, config=config, layers=layers)


def _select(index: Index, platform: Platform, ref: str) -> Descriptor:
    found = select_platform(index, platform)
    if found is None:
        there = sorted(
            {str(entry.platform) for entry in images_of(index) if entry.platform is not None} - {"unknown/unknown"}
        )
        raise SourceError(
            f"{ref} is not made for {platform}",
            ref=ref,
            hint=f"it is made for {', '.join(there)}" if there else "",
        )
    return found


def resolve_known(
    store: ContentStore, reference: Reference, platform: Platform, *, sources: bool = True
) -> ResolvedImage | None:
    """The image as the store knows it, without asking anyone; None when it does not.

    sources: also believe what a registry said earlier. Raises SourceError and CorruptError when the store
    has the image, but broken.
    """
    target = _known_target(store, reference, sources=sources)
    if target is None:
        return None
    try:
        return load_image(lambda descriptor: read_stored(store, descriptor), target, platform, ref=str(reference))
    except MissingBlobError:
        return None


def read_stored(store: ContentStore, descriptor: Descriptor) -> bytes:
    """A document from the store. Raises MissingBlobError."""
    try:
        return store.read(descriptor.digest)
    except NotFoundError:
        raise MissingBlobError(descriptor) from None


def _known_target(store: ContentStore, reference: Reference, *, sources: bool) -> Descriptor | None:
    if reference.digest is not None:
        # The digest says it all: whatever name the blob came under, it is the same image.
        return descriptor_of(store, reference.digest)
    name = str(reference)
    return store.image(name) or (store.source(name) if sources else None)


def descriptor_of(store: ContentStore, digest: Digest) -> Descriptor | None:
    """The descriptor of a manifest that is in the store, None when it is not, or damaged."""
    try:
        data = store.read(digest)
    except (NotFoundError, CorruptError):
        return None
    media_type = decode_manifest(data, ref=str(digest), configs=CONFIG_TYPES_OF_ALL).media_type
    return Descriptor(media_type=media_type, digest=digest, size_bytes=len(data))
