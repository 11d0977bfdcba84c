"""What people call a vertex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .op import ExecOp, SourceOp

if TYPE_CHECKING:
    from .definition import Metadata
    from .vertex import Vertex

__all__ = ["vertex_name"]


def vertex_name(vertex: Vertex, said: Metadata | None) -> str:
    """Its name in the metadata, else what its op says of itself."""
    if said is not None and said.name:
        return said.name
    op = vertex.op
    if isinstance(op, ExecOp):
        return " ".join(op.args)
    if isinstance(op, SourceOp):
        return op.identifier
    return type(op).__name__.removesuffix("Op").lower()
