"""What the image's layers weigh, and what made each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...values import frozen
from ..units import human_size
from .markup import clipped, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LayerSize", "layer_table"]

_COMMAND_WIDTH = 160


@frozen
class LayerSize:
    """A layer as it is stored: compressed bytes, and the instruction that made it ("" where nobody says)."""

    created_by: str
    size_bytes: int


def layer_table(layers: Sequence[LayerSize]) -> str:
    """Bottom first, as they are stacked."""
    total = sum(layer.size_bytes for layer in layers)
    largest = max((layer.size_bytes for layer in layers), default=0)
    rows = [
        f"<tr><td class=right>{number}</td><td class=mono>{_made_by(layer)}</td>"
        f"<td class=right>{human_size(layer.size_bytes)}</td>"
        f"<td class=share><i style=width:{percent(layer.size_bytes, largest)}></i></td></tr>\n"
        for number, layer in enumerate(layers, 1)
    ]
    return (
        "<table><thead><tr><th class=right>layer</th><th>created by</th><th class=right>size</th><th></th></tr></thead>"
        f"\n<tbody>{''.join(rows)}<tr class=sum><td></td><td>together, compressed</td>"
        f"<td class=right>{human_size(total)}</td><td></td></tr></tbody></table>\n"
    )


def _made_by(layer: LayerSize) -> str:
    return clipped(layer.created_by, _COMMAND_WIDTH) or "(not said)"
