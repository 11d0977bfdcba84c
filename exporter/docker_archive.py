"""An image as `docker save` writes it, its layers unpacked: what a Docker engine loads with the least work.

It decompresses with one core and Go's library, slower than anything else here. Form: moby, image/spec/spec.md, 1.2.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ..worker.layer import iter_decompressed
from .archive import docker_listing
from .outfile import refusals
from .tar_stream import TarStream

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..digest import Digest
    from ..image import Descriptor, Reference
    from ..worker import ContentStore
    from .assembly import AssembledImage

__all__ = ["stream_docker_archive"]


def stream_docker_archive(
    image: AssembledImage,
    store: ContentStore,
    names: Sequence[Reference],
    descriptor: int,
    *,
    without: Collection[Digest] = (),
) -> None:
    """Write it into a file descriptor, which may be a pipe. Raises ExportError, and CorruptError for a broken layer.

    without: blobs of layers that whoever reads it has. Every layer is decompressed twice, the first time for its size,
    which stands before it in a tar: ahead of the reader, who is slower.
    """
    paths = [f"{diff_id.hex}.tar" for diff_id in image.config.diff_ids]
    wanted = {path: layer for path, layer in zip(paths, image.layers, strict=True) if layer.digest not in without}
    config = f"{image.config_descriptor.digest.hex}.json"
    with refusals("the archive"), ThreadPoolExecutor(1) as pool:
        sizes = {path: pool.submit(_size, store, layer) for path, layer in wanted.items()}
        try:
            tar = TarStream(descriptor)
            tar.file(config, image.config_blob)
            for path, layer in wanted.items():
                size_bytes = sizes[path].result()
                with store.open(layer.digest) as blob:
                    tar.pieces(path, iter_decompressed(blob), size_bytes)
            tar.file("manifest.json", docker_listing(names, config, paths), mode=0o644)
            tar.end()
        finally:
            for size in sizes.values():
                size.cancel()


def _size(store: ContentStore, layer: Descriptor) -> int:
    with store.open(layer.digest) as blob:
        return sum(map(len, iter_decompressed(blob)))
