"""Which row of a drawing each vertex stands in."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..digest import Digest
    from .definition import Definition

__all__ = ["rows_of"]

_WIDEST = 16  # vertices side by side that a small graph may have


def rows_of(definition: Definition) -> dict[Digest, int]:
    """A row per vertex, from 0 at the top, below all its inputs and as high up as there is room.

    A row takes 16 vertices, or more in a graph of more than 256: hundreds of stages side by side would be a
    picture nobody can look at. Sources stand just above the first vertex that reads them.
    """
    widest = max(_WIDEST, isqrt(len(definition.vertices)))
    rows: dict[Digest, int] = {}
    taken: dict[int, int] = {}
    first_user: dict[Digest, int] = {}
    for vertex in definition.vertices:
        row = 1 + max((rows[edge.vertex] for edge in vertex.inputs), default=-1)
        while taken.get(row, 0) >= widest:
            row += 1
        rows[vertex.digest] = row
        if vertex.inputs:  # sources are placed last, and take no room from steps
            taken[row] = taken.get(row, 0) + 1
        for edge in vertex.inputs:
            first_user[edge.vertex] = min(row, first_user.get(edge.vertex, row))
    for vertex in definition.vertices:
        if not vertex.inputs:
            rows[vertex.digest] = max(0, first_user.get(vertex.digest, 1) - 1)
    return rows
