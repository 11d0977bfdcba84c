"""What a vertex does with its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from .op import BuildOp, DiffOp, ExecOp, FileOp, MergeOp, PassthroughOp, SourceOp

if TYPE_CHECKING:
    from .vertex import Vertex

__all__ = ["base_inputs"]


def base_inputs(vertex: Vertex) -> frozenset[int]:
    """The inputs whose filesystem its result grows out of, by number; of the others it only reads."""
    op = vertex.op
    match op:
        case ExecOp():
            found = {mount.input for mount in op.mounts if mount.dest == "/"}
        case FileOp():
            found = {step.input for step in op.steps}
        case MergeOp():
            found = set(op.inputs)
        case DiffOp():
            found = {op.upper}
        case BuildOp() | PassthroughOp() | SourceOp():
            found = set(range(len(vertex.inputs)))
        case _:
            assert_never(op)
    return frozenset(number for number in found if 0 <= number < len(vertex.inputs))
