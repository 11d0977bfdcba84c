"""Layers of an imported cache, made known: their names, and where their blobs can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .records import LayerRecord, ready_blob
from .snapshot import LayerId

if TYPE_CHECKING:
    from .prober import Prober
    from .source import FoundCache

__all__ = ["adopt_layers"]


def adopt_layers(found: FoundCache, prober: Prober) -> set[str]:
    """Write down what a cache says of its layers, as far as it has their blobs; the names of those now known by it.

    Nothing is fetched. A layer that is here already stays as it is.
    """
    blobs = {blob.digest: blob for blob in found.blobs}
    records = [
        LayerRecord(
            id=layer.name,
            created=layer.created,
            diff_id=layer.diff_id,
            blob=blobs[layer.blob],
            origin=found.origin,
        )
        for layer in found.config.layers
        if layer.blob in blobs
    ]

    def here(record: LayerRecord) -> bool:
        return prober.layers.has(LayerId(record.id)) or ready_blob(record, prober.content, prober.records) is not None

    return prober.records.adopt(records, here)
