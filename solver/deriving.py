"""A vertex's derivation, while the vertex is performed: what its key is made of, now that its inputs are known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..llb.codec import encode_value
from .derivations import Derivation, Input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..digest import Digest
    from ..llb import Vertex
    from .plan import Plan
    from .store import Record

__all__ = ["derive"]


def derive(
    plan: Plan,
    vertex: Vertex,
    records: Mapping[Digest, Record],
    contents: Mapping[tuple[Digest, int], tuple[Digest, bytes]],
) -> Derivation:
    """What the vertex's key is made of, now that its inputs have their `records`.

    contents: what is read of inputs by content, by (vertex, input index).
    """
    graph = plan.graph
    reads = plan.reads.get(vertex.digest, {})
    inputs = []
    for index, edge in enumerate(vertex.inputs):
        name = graph.name(edge.vertex)
        read = contents.get((vertex.digest, index))
        if read is not None:
            path = " ".join(copy.src for copy in reads.get(index, ()))  # as its author wrote it
            inputs.append(Input(kind="files", name=name, value=read[0], path=path))
        elif edge.vertex in plan.sources:
            inputs.append(Input(kind="source", name=name, value=plan.sources[edge.vertex]))
        else:
            inputs.append(Input(kind="result", name=name, value=records[edge.vertex].strong.hex()))
    return Derivation(
        vertex=vertex.digest,
        name=graph.name(vertex.digest),
        created=time.time(),
        op=encode_value(vertex.op),
        platform="" if vertex.platform is None else str(vertex.platform),
        inputs=tuple(inputs),
        resolved=plan.sources.get(vertex.digest, ""),
        ignored=vertex.digest in plan.ignoring,
    )
