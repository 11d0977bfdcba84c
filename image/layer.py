"""A layer blob: one layer of an image that is ready to be put into a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest
    from .descriptor import Descriptor

__all__ = ["LayerBlob"]


@frozen
class LayerBlob:
    """`diff_id`: sha256 of the uncompressed tar; `descriptor`: the blob as it is stored and sent.

    `created`: RFC 3339, "" when nobody knows. `created_by`: what to write in a history that forgot the layer.
    """

    diff_id: Digest
    descriptor: Descriptor
    created: str = ""
    created_by: str = ""
