"""Descriptors: how one piece of an image points at another (OCI image-spec 1.1, descriptor.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest
    from ..platforms import Platform

__all__ = ["Descriptor", "MediaType"]


class MediaType:
    """The media types llbuild reads and writes."""

    OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
    OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
    OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
    OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"  # a config that says nothing
    OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
    OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
    OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
    DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
    DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
    DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@frozen
class Descriptor:
    """Digest, size and media type of a blob. `annotations`: sorted by key; `artifact_type`: of a manifest."""

    media_type: str
    digest: Digest
    size_bytes: int
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""
