"""Whether the numbers in ops mean something: every input they name is there, every output asked for is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DefinitionError
from .op import BuildOp, DiffOp, ExecOp, FileOp, FileRm, MergeOp, NamedUser, PassthroughOp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..digest import Digest
    from .op import FileAction, Op
    from .vertex import Edge, Vertex

__all__ = ["check_links"]


def check_links(vertices: Mapping[Digest, Vertex], roots: Iterable[Edge]) -> None:
    """Raises DefinitionError at an op that names an input it does not have, or an edge to an output that is not made.

    For who is going to perform the ops: a definition that is only read and written may hold any numbers.
    """
    outputs = {digest: _outputs(vertex.op) for digest, vertex in vertices.items()}
    for digest, vertex in vertices.items():
        for what, number, end in _numbers(vertex.op, len(vertex.inputs)):
            if not -1 <= number < end:
                raise DefinitionError(f"{what} of vertex {digest} is number {number}, but there are {end}")
        for index, edge in enumerate(vertex.inputs):
            _check_edge(f"input {index} of vertex {digest}", edge, outputs)
    for edge in roots:
        _check_edge("the root", edge, outputs)


def _check_edge(what: str, edge: Edge, outputs: Mapping[Digest, int]) -> None:
    if edge.vertex not in outputs:
        raise DefinitionError(f"{what} is missing: no vertex {edge.vertex}")
    if not 0 <= edge.output < outputs[edge.vertex]:
        made = outputs[edge.vertex]
        raise DefinitionError(f"{what} asks for output {edge.output} of vertex {edge.vertex}, which has {made}")


def _outputs(op: Op) -> int:
    if isinstance(op, ExecOp):
        return 1 + max((mount.output for mount in op.mounts), default=-1)
    if isinstance(op, FileOp):
        return 1 + max((step.output for step in op.steps), default=-1)
    return len(op.outputs) if isinstance(op, PassthroughOp) else 1


def _numbers(op: Op, inputs: int) -> Iterator[tuple[str, int, int]]:
    """What the op names by number, and how many of it there are; -1 is an empty filesystem."""
    if isinstance(op, ExecOp):
        for mount in op.mounts:
            yield f"the input of mount {mount.dest!r}", mount.input, inputs
    elif isinstance(op, FileOp):
        for at, step in enumerate(op.steps):
            end = inputs + at  # the results of the steps before count on
            yield f"the input of step {at}", step.input, end
            yield f"the second input of step {at}", step.secondary_input, end
            for number in _owners(step.action):
                yield f"the input with the users of step {at}", number, end
    elif isinstance(op, MergeOp):
        yield from (("a part", number, inputs) for number in op.inputs)
    elif isinstance(op, DiffOp):
        yield from (("a side", number, inputs) for number in (op.lower, op.upper))
    elif isinstance(op, BuildOp):
        yield from (("an input", number, inputs) for number in (op.builder, *(number for _, number in op.inputs)))
    elif isinstance(op, PassthroughOp):
        yield from (("an output", number, inputs) for number in op.outputs)


def _owners(action: FileAction) -> Iterator[int]:
    owner = None if isinstance(action, FileRm) else action.owner
    if owner is not None:
        yield from (half.input for half in (owner.user, owner.group) if isinstance(half, NamedUser))
