"""An image put together: config and manifest for layers that exist. Pure; the same input, the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..image import Descriptor, Manifest, MediaType, encode_config, encode_manifest
from ..values import frozen, replace
from .epoch import clamp_config
from .history import align_history

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from ..image import ImageConfig, LayerBlob

    Pairs: TypeAlias = tuple[tuple[str, str], ...]

__all__ = ["AssembledImage", "ImageForm", "assemble", "describe", "layer_descriptor"]

# Docker's layer types say the same as OCI's. In an OCI manifest they are written as OCI's, as BuildKit does.
_OCI_LAYER_TYPES = {
    MediaType.DOCKER_LAYER: MediaType.OCI_LAYER,
    MediaType.DOCKER_LAYER_GZIP: MediaType.OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": MediaType.OCI_LAYER_ZSTD,
}
_DOCKER_LAYER_TYPES = {oci: docker for docker, oci in _OCI_LAYER_TYPES.items()}


@frozen
class ImageForm:
    """How an image is written down: in OCI's media types or in Docker's, and with which annotations.

    descriptor_annotations: of what points at the manifest.
    """

    docker: bool = False
    annotations: Pairs = ()
    descriptor_annotations: Pairs = ()


_PLAIN = ImageForm()


@frozen
class AssembledImage:
    """A complete image. `layers`: descriptors, bottom first; their blobs are in the content store."""

    config: ImageConfig
    config_blob: bytes
    config_descriptor: Descriptor
    manifest_blob: bytes
    manifest_descriptor: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def target(self) -> Descriptor:
        """What a name of the image points at."""
        return self.manifest_descriptor

    @property
    def images(self) -> tuple[AssembledImage, ...]:
        """Itself: an index has several."""
        return (self,)

    @property
    def created(self) -> str:
        return self.config.created

    def small_blobs(self) -> Iterator[tuple[Descriptor, bytes]]:
        """What was made here, in the order to write it: a manifest never points at what is missing."""
        yield self.config_descriptor, self.config_blob
        yield self.manifest_descriptor, self.manifest_blob


def assemble(
    config: ImageConfig,
    layers: Sequence[LayerBlob],
    *,
    inline_cache: bytes = b"",
    form: ImageForm = _PLAIN,
    epoch_s: int | None = None,
) -> AssembledImage:
    """The image of `config` on `layers` (bottom first, the base image's included).

    config: as the frontend made it, its history without times for what is new; its diff ids are
    replaced. Without a creation time of its own the image gets that of its last history entry.
    inline_cache: an encoded cache config for the image to carry. epoch_s: nothing new is said to be younger than that.
    """
    made = len(config.history)
    new = [number for number, entry in enumerate(config.history) if not entry.created]
    history = align_history(config.history, layers)
    created = config.created or next((entry.created for entry in reversed(history) if entry.created), "")
    config = replace(config, created=created, history=history, diff_ids=tuple(layer.diff_id for layer in layers))
    if epoch_s is not None:
        config = clamp_config(config, epoch_s, new=[*new, *range(made, len(history))])
    assert config.platform.os, "the frontend says which system an image is for"
    assert config.platform.architecture, "the frontend says which architecture an image is for"
    config_blob = encode_config(config, inline_cache=inline_cache)
    config_descriptor = describe(MediaType.DOCKER_CONFIG if form.docker else MediaType.OCI_CONFIG, config_blob)
    descriptors = tuple(layer_descriptor(layer.descriptor, docker=form.docker) for layer in layers)
    media_type = MediaType.DOCKER_MANIFEST if form.docker else MediaType.OCI_MANIFEST
    manifest = Manifest(
        config=config_descriptor, layers=descriptors, media_type=media_type, annotations=form.annotations
    )
    manifest_blob = encode_manifest(manifest)
    return AssembledImage(
        config=config,
        config_blob=config_blob,
        config_descriptor=config_descriptor,
        manifest_blob=manifest_blob,
        manifest_descriptor=replace(
            describe(media_type, manifest_blob), platform=config.platform, annotations=form.descriptor_annotations
        ),
        layers=descriptors,
    )


def describe(media_type: str, data: bytes) -> Descriptor:
    """The descriptor of a document that is at hand."""
    return Descriptor(media_type=media_type, digest=sha256_digest(data), size_bytes=len(data))


def layer_descriptor(descriptor: Descriptor, *, docker: bool = False) -> Descriptor:
    """As it stands in a manifest: no platform, and none of containerd's and BuildKit's notes to themselves."""
    types = _DOCKER_LAYER_TYPES if docker else _OCI_LAYER_TYPES
    return Descriptor(
        media_type=types.get(descriptor.media_type, descriptor.media_type),
        digest=descriptor.digest,
        size_bytes=descriptor.size_bytes,
        annotations=tuple(pair for pair in descriptor.annotations if not _is_internal(pair[0])),
    )


def _is_internal(key: str) -> bool:
    return key in {"containerd.io/uncompressed", "buildkit/createdat"} or key.startswith(
        "containerd.io/distribution.source."
    )
