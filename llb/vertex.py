"""Vertices and edges: an op, what it is fed with, and the digest that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import Digest, blake3_digest
from ..values import frozen
from .codec import encode_value, pack

if TYPE_CHECKING:
    from ..platforms import Platform
    from .op import Op

__all__ = ["Edge", "Vertex", "make_vertex", "vertex_digest"]


@frozen(kw_only=False)
class Edge:
    """One output of a vertex: an address, not an object."""

    vertex: Digest
    output: int = 0


@frozen
class Vertex:
    """An op and the edges it reads. Built by `make_vertex`, which computes the digest.

    `constraints` are worker filters, as in `pb.WorkerConstraints`; None where a definition came without that message.
    """

    digest: Digest
    op: Op
    inputs: tuple[Edge, ...] = ()
    platform: Platform | None = None
    constraints: tuple[str, ...] | None = ()

    def __hash__(self) -> int:
        return hash(self.digest)


def make_vertex(
    op: Op, inputs: tuple[Edge, ...] = (), platform: Platform | None = None, constraints: tuple[str, ...] | None = ()
) -> Vertex:
    digest = vertex_digest(op, inputs, platform, constraints)
    return Vertex(digest=digest, op=op, inputs=inputs, platform=platform, constraints=constraints)


def vertex_digest(
    op: Op, inputs: tuple[Edge, ...], platform: Platform | None, constraints: tuple[str, ...] | None
) -> Digest:
    """blake3 over canonical msgpack of [op, input edges, platform, constraints].

    What is for people (names, places in a file, progress groups) is metadata and not in here.
    """
    edges = [[edge.vertex, edge.output] for edge in inputs]
    place = None if platform is None else encode_value(platform)
    filters = None if constraints is None else list(constraints)
    return blake3_digest(pack([encode_value(op), edges, place, filters]))
