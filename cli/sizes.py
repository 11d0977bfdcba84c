"""How large a layer is once unpacked: what `docker history` calls SIZE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CorruptError
from ..worker.layer import files_size

if TYPE_CHECKING:
    from ..image import Descriptor
    from ..worker import ContentStore

__all__ = ["layer_size"]


def layer_size(store: ContentStore, layer: Descriptor) -> int:
    """The bytes of a layer's files, each counted once; folders, links and deletions count as nothing.

    Reads the whole blob. Raises NotFoundError when it is not here, CorruptError when it is no tar.
    """
    with store.open(layer.digest) as blob:
        try:
            return files_size(blob)
        except CorruptError as exc:
            raise CorruptError(
                f"layer {layer.digest.short} cannot be read: {exc}", expected=layer.digest, actual="unreadable"
            ) from exc
