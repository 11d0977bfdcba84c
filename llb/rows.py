"""Which row of a drawing each vertex stands in."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from .inputs import base_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..digest import Digest
    from .definition import Definition

__all__ = ["rows_of"]

_WIDEST = 16  # vertices side by side that a small graph may have


def rows_of(definition: Definition, stage_of: Mapping[Digest, str]) -> dict[Digest, int]:
    """A row per vertex, from 0 at the top and below all its inputs.

    A row takes 16 vertices, or more in a graph of more than 256: hundreds of stages side by side would be a
    picture nobody can look at. The steps of a stage stand close together: what could be done early, but is built
    upon late, is drawn late. Sources stand just above the first vertex that reads them.
    """
    widest = max(_WIDEST, isqrt(len(definition.vertices)))
    rows, taken = _early(definition, widest)
    users = _users(definition)
    for vertex in reversed(definition.vertices):
        digest = vertex.digest
        first = min((rows[user] for user, _ in users[digest]), default=rows[digest] + 1)
        if not vertex.inputs:  # takes no room from steps
            rows[digest] = first - 1
        elif any(
            grown and rows[user] == first and stage_of.get(user) == stage_of.get(digest)
            for user, grown in users[digest]
        ):
            row = next(row for row in range(first - 1, -1, -1) if row == rows[digest] or taken.get(row, 0) < widest)
            taken[rows[digest]] -= 1
            taken[row] = taken.get(row, 0) + 1
            rows[digest] = row
    return _without_gaps(rows)


def _early(definition: Definition, widest: int) -> tuple[dict[Digest, int], dict[int, int]]:
    """Every vertex as high up as there is room, and how many vertices with inputs each row has."""
    rows: dict[Digest, int] = {}
    taken: dict[int, int] = {}
    for vertex in definition.vertices:
        row = 1 + max((rows[edge.vertex] for edge in vertex.inputs), default=-1)
        while vertex.inputs and taken.get(row, 0) >= widest:
            row += 1
        rows[vertex.digest] = row
        if vertex.inputs:
            taken[row] = taken.get(row, 0) + 1
    return rows, taken


def _users(definition: Definition) -> dict[Digest, list[tuple[Digest, bool]]]:
    """Who reads each vertex, and whether it grows out of it."""
    users: dict[Digest, list[tuple[Digest, bool]]] = {vertex.digest: [] for vertex in definition.vertices}
    for vertex in definition.vertices:
        base = base_inputs(vertex)
        for number, edge in enumerate(vertex.inputs):
            users[edge.vertex].append((vertex.digest, number in base))
    return users


def _without_gaps(rows: dict[Digest, int]) -> dict[Digest, int]:
    dense = {row: number for number, row in enumerate(sorted(set(rows.values())))}
    return {digest: dense[row] for digest, row in rows.items()}
