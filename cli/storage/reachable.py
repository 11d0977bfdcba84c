"""Which blobs the images of a store need, and which the memory of what registries said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import LlbuildError
from ...image import CONFIG_TYPES_OF_ALL, Index, decode_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...digest import Digest
    from ...worker import ContentStore, StoredImage

__all__ = ["blobs_of"]


def blobs_of(content: ContentStore, image: StoredImage) -> Iterator[Digest]:
    """What the image consists of, as far as the store can tell: a damaged document leads nowhere."""
    todo = [image.descriptor]
    while todo:
        descriptor = todo.pop()
        yield descriptor.digest
        try:
            document = decode_manifest(content.read(descriptor.digest), ref=image.name, configs=CONFIG_TYPES_OF_ALL)
        except LlbuildError:
            continue
        if isinstance(document, Index):
            todo.extend(document.manifests)
        else:
            yield document.config.digest
            yield from (layer.digest for layer in document.layers)
