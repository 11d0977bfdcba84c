"""The images of the local store, as the listing commands need them. Reads, never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import LlbuildError, NotFoundError, SourceError
from ...image import Index, decode_config, decode_manifest, images_of, parse_reference, select_platform
from ...platforms import host_platform
from ...values import frozen, replace
from ...worker import ContentStore

if TYPE_CHECKING:
    from ...digest import Digest
    from ...image import Descriptor, ImageConfig, Manifest
    from ...worker import StoredImage

__all__ = ["LocalImage", "find_image", "find_name", "load_image", "open_content", "split_name"]

_SHORTEST_ID = 4


@frozen
class LocalImage:
    """An image with everything that its manifest leads to. `digest` is what its name points at."""

    name: str
    digest: Digest
    manifest: Manifest
    config: ImageConfig
    config_bytes: bytes

    @property
    def size_bytes(self) -> int:
        """What its layers take in the store, compressed."""
        return sum({layer.digest: layer.size_bytes for layer in self.manifest.layers}.values())


def open_content(root: str) -> ContentStore:
    """The store under a state folder; nothing is created."""
    return ContentStore(root)


def find_image(store: ContentStore, text: str) -> LocalImage:
    """The image that `text` names: a reference as docker reads it, or the first digits of its digest.

    Raises NotFoundError saying what could be done; CorruptError and SourceError for a damaged one.
    """
    found = find_name(store, text)
    return load_image(store, found.name, found.descriptor)


def find_name(store: ContentStore, text: str) -> StoredImage:
    """As `find_image`, without a look at the image itself: it may be damaged. Raises NotFoundError, SourceError."""
    images = store.images()
    by_name = {image.name: image for image in images}
    try:
        reference = parse_reference(text)
    except SourceError:
        if not _is_hex(text):
            raise
    else:
        name = str(replace(reference, digest=None, tag=reference.tag or "latest"))
        if reference.digest is None and name in by_name:
            return by_name[name]
        for image in images:
            if reference.digest == image.descriptor.digest and parse_reference(image.name).name == reference.name:
                return image
    digits = text.removeprefix("sha256:")
    found = {image.descriptor.digest: image for image in images if image.descriptor.digest.hex.startswith(digits)}
    if not _is_hex(digits) or not found:
        raise _not_found(text, list(by_name))
    if len(found) > 1:
        raise NotFoundError(f"{text!r} fits {len(found)} images", hint="give more digits of the digest")
    ((_, image),) = found.items()
    return image


def _is_hex(text: str) -> bool:
    digits = text.removeprefix("sha256:")
    return len(digits) >= _SHORTEST_ID and not digits.strip("0123456789abcdef")


def _not_found(text: str, names: list[str]) -> NotFoundError:
    from ..parser import suggestion

    familiar = [parse_reference(name).familiar() for name in names]
    short = [name.removesuffix(":latest") for name in familiar]
    return NotFoundError(
        f"no image {text!r} in the local store{suggestion(text, dict.fromkeys([*short, *familiar]))}",
        hint="'llbuild images' lists what is there",
    )


def load_image(store: ContentStore, name: str, descriptor: Descriptor) -> LocalImage:
    """Follow a name's descriptor down to the config; of several platforms, this machine's, else the first.

    Raises NotFoundError, CorruptError or SourceError for a damaged image.
    """
    found = decode_manifest(store.read(descriptor.digest), ref=name)
    while isinstance(found, Index):
        images = images_of(found)
        if not images:
            raise SourceError(f"{name} is an empty index: it has no image for any platform", ref=name)
        chosen = select_platform(found, host_platform()) or images[0]
        found = decode_manifest(store.read(chosen.digest), ref=name)
    data = store.read(found.config.digest)
    return LocalImage(
        name=name,
        digest=descriptor.digest,
        manifest=found,
        config=decode_config(data, ref=name),
        config_bytes=data,
    )


def split_name(name: str) -> tuple[str, str]:
    """Repository and tag as people write them: ("busybox", "latest"). A name from elsewhere stays whole."""
    try:
        reference = parse_reference(name)
    except LlbuildError:
        return name, "<none>"
    return replace(reference, tag="", digest=None).familiar(), reference.tag or "<none>"
