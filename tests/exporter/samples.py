"""Small real images: layers as tars of a few files, put into a content store."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from llbuild.digest import sha256_digest
from llbuild.exporter import AssembledImage, assemble
from llbuild.image import ContainerConfig, Descriptor, History, ImageConfig, LayerBlob, MediaType
from llbuild.platforms import Platform
from llbuild.worker.content import ContentStore

if TYPE_CHECKING:
    from pathlib import Path

AMD64 = Platform(os="linux", architecture="amd64")
CREATED = "2024-05-01T10:20:30.12Z"


def tar_of(files: dict[str, bytes]) -> bytes:
    """An uncompressed layer with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def put_layer(store: ContentStore, files: dict[str, bytes], *, created: str = CREATED) -> LayerBlob:
    """A gzip layer with these files, in the store."""
    data = tar_of(files)
    blob = store.write(gzip.compress(data, mtime=0))
    descriptor = Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=blob.digest, size_bytes=blob.size_bytes)
    return LayerBlob(diff_id=sha256_digest(data), descriptor=descriptor, created=created)


def sample_config(**container: object) -> ImageConfig:
    return ImageConfig(
        platform=AMD64,
        config=ContainerConfig(env=("PATH=/bin",), cmd=("/hello",), working_dir="/", **container),  # type: ignore[arg-type]
        history=(
            History(created_by="COPY hello /hello # buildkit", comment="buildkit.dockerfile.v0"),
            History(created_by='CMD ["/hello"]', comment="buildkit.dockerfile.v0", empty_layer=True),
        ),
    )


def sample_image(store: ContentStore) -> AssembledImage:
    """One layer, one file; its layer is in the store, config and manifest are not."""
    return assemble(sample_config(), [put_layer(store, {"hello": b"#!/bin/sh\necho hello\n"})])


def open_store(folder: Path) -> ContentStore:
    return ContentStore(folder / "root")
