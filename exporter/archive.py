"""An assembled image as an OCI archive: the tar that `docker load`, podman and skopeo read. Equal images, equal bytes.

Layers are not read here but copied as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..image import LAYOUT_FILE, blob_name, encode_layout, named
from ..values import replace
from .outfile import refusals, replacing
from .tar_stream import TarStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..image import Descriptor, Reference
    from ..worker import ContentStore
    from .index import Assembled

__all__ = ["docker_listing", "listed", "stream_archive", "write_archive"]


def write_archive(
    image: Assembled, store: ContentStore, names: Sequence[Reference], path: str, *, docker: bool
) -> None:
    """Write the archive to a file, whole or not at all. Raises ExportError."""
    with replacing(path) as descriptor:
        _write(image, store, names, TarStream(descriptor), docker)


def stream_archive(
    image: Assembled, store: ContentStore, names: Sequence[Reference], descriptor: int, *, docker: bool = False
) -> None:
    """Write the archive into a file descriptor, which may be a pipe. Raises ExportError.

    Members are sorted by name, so the blobs come before `index.json`, as in BuildKit's.
    """
    with refusals("the archive"):
        _write(image, store, names, TarStream(descriptor), docker)


def _write(image: Assembled, store: ContentStore, names: Sequence[Reference], tar: TarStream, docker: bool) -> None:
    tar.folder("blobs")
    tar.folder("blobs/sha256")
    small = {found.digest: data for found, data in image.small_blobs()}
    sizes = {layer.digest: layer.size_bytes for layer in image.layers}
    for digest in sorted({*small, *sizes}):
        if digest in small:
            tar.file(blob_name(digest), small[digest])
        else:
            with store.open(digest) as blob:
                tar.blob(blob_name(digest), blob, sizes[digest])
    tar.file("index.json", encode_layout(listed(image, names)), mode=0o644)
    if docker:
        (only,) = image.images
        layers = [blob_name(layer.digest) for layer in only.layers]
        listing = docker_listing(names, blob_name(only.config_descriptor.digest), layers)
        tar.file("manifest.json", listing, mode=0o644)
    tar.file("oci-layout", LAYOUT_FILE)
    tar.end()


def docker_listing(names: Sequence[Reference], config: str, layers: Sequence[str]) -> bytes:
    """The table of contents of `docker save`, for one image: paths inside the archive."""
    entry = {"Config": config, "RepoTags": [name.familiar() for name in names] or None, "Layers": layers}
    return json.dumps([entry], separators=(",", ":")).encode()


def listed(image: Assembled, names: Sequence[Reference]) -> tuple[Descriptor, ...]:
    """The lines of an exported index, named as BuildKit names them: the OCI name is the tag alone."""
    descriptor = image.target
    if image.created:
        # BuildKit writes the time of the export; the image's own keeps the bytes the same.
        created = ("org.opencontainers.image.created", image.created)
        descriptor = replace(descriptor, annotations=(*descriptor.annotations, created))
    if not names:
        return (descriptor,)
    return tuple(named(descriptor, name=str(name), ref_name=name.tag or str(name)) for name in names)
