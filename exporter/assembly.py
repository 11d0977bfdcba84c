"""An image put together: config and manifest for layers that exist. Pure; the same input, the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..image import Descriptor, Manifest, MediaType, encode_config, encode_manifest
from ..values import frozen, replace
from .history import align_history

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..image import ImageConfig, LayerBlob

__all__ = ["AssembledImage", "assemble", "layer_descriptor"]

# Docker's layer types say the same as OCI's. In an OCI manifest they are written as OCI's, as BuildKit does.
_OCI_LAYER_TYPES = {
    MediaType.DOCKER_LAYER: MediaType.OCI_LAYER,
    MediaType.DOCKER_LAYER_GZIP: MediaType.OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": MediaType.OCI_LAYER_ZSTD,
}


@frozen
class AssembledImage:
    """A complete image. `layers`: descriptors, bottom first; their blobs are in the content store."""

    config: ImageConfig
    config_blob: bytes
    config_descriptor: Descriptor
    manifest_blob: bytes
    manifest_descriptor: Descriptor
    layers: tuple[Descriptor, ...]

    def small_blobs(self) -> Iterator[tuple[Descriptor, bytes]]:
        """What was made here, in the order to write it: a manifest never points at what is missing."""
        yield self.config_descriptor, self.config_blob
        yield self.manifest_descriptor, self.manifest_blob


def assemble(config: ImageConfig, layers: Sequence[LayerBlob], *, inline_cache: bytes = b"") -> AssembledImage:
    """The image of `config` on `layers` (bottom first, the base image's included).

    config: as the frontend made it, its history without times for what is new; its diff ids are
    replaced. Without a creation time of its own the image gets that of its last history entry.
    inline_cache: an encoded cache config for the image to carry.
    """
    history = align_history(config.history, layers)
    created = config.created or next((entry.created for entry in reversed(history) if entry.created), "")
    config = replace(config, created=created, history=history, diff_ids=tuple(layer.diff_id for layer in layers))
    assert config.platform.os, "the frontend says which system an image is for"
    assert config.platform.architecture, "the frontend says which architecture an image is for"
    config_blob = encode_config(config, inline_cache=inline_cache)
    config_descriptor = _descriptor(MediaType.OCI_CONFIG, config_blob)
    descriptors = tuple(layer_descriptor(layer.descriptor) for layer in layers)
    manifest_blob = encode_manifest(Manifest(config=config_descriptor, layers=descriptors))
    return AssembledImage(
        config=config,
        config_blob=config_blob,
        config_descriptor=config_descriptor,
        manifest_blob=manifest_blob,
        manifest_descriptor=replace(_descriptor(MediaType.OCI_MANIFEST, manifest_blob), platform=config.platform),
        layers=descriptors,
    )


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=sha256_digest(data), size_bytes=len(data))


def layer_descriptor(descriptor: Descriptor) -> Descriptor:
    """As it stands in a manifest: no platform, and none of containerd's and BuildKit's notes to themselves."""
    return Descriptor(
        media_type=_OCI_LAYER_TYPES.get(descriptor.media_type, descriptor.media_type),
        digest=descriptor.digest,
        size_bytes=descriptor.size_bytes,
        annotations=tuple(pair for pair in descriptor.annotations if not _is_internal(pair[0])),
    )


def _is_internal(key: str) -> bool:
    return key in {"containerd.io/uncompressed", "buildkit/createdat"} or key.startswith(
        "containerd.io/distribution.source."
    )
