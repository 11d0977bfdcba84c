"""Definitions as BuildKit's protobuf, and the names that vertices have there: the sha256 of their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..errors import DefinitionError
from ..llb import Metadata
from . import places
from .graph import DEFINITION, OP, WireDefinition, WireInput, WireOp
from .metadata import final_metadata, to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..digest import Digest
    from ..llb import Definition, Edge, Vertex

__all__ = ["encode_buildkit", "encode_ops", "op_digests"]


def encode_buildkit(definition: Definition) -> bytes:
    """A `pb.Definition`, in the bytes that BuildKit's client would write.

    Raises DefinitionError where a vertex's input is missing, where vertices come without a root, and for what
    protobuf cannot hold (a number too large, text that is not UTF-8).
    """
    ops, names = encode_ops(definition)
    known = definition.metadata_of()
    said = {vertex.digest: known.get(vertex.digest, Metadata()) for vertex in definition.vertices}
    metadata = [(names[vertex.digest], to_wire(vertex.op, said[vertex.digest])) for vertex in definition.vertices]
    if definition.root is not None:
        metadata.append((sha256_digest(ops[-1]), final_metadata(meta for _, meta in metadata)))
    source = places.to_wire(definition.sources, {names[digest]: meta.spans for digest, meta in said.items()})
    return DEFINITION.encode(WireDefinition(tuple(ops), tuple(metadata), source))


def op_digests(definition: Definition) -> dict[Digest, str]:
    """BuildKit's name of each vertex, `sha256:…`, by ours. Raises DefinitionError as `encode_buildkit` does."""
    return dict(encode_ops(definition)[1])


def encode_ops(definition: Definition) -> tuple[list[bytes], dict[Digest, Digest]]:
    """The ops in order, the wanted edge last, and the names of the vertices."""
    names: dict[Digest, Digest] = {}
    ops = []
    for vertex in definition.vertices:
        data = _encode_vertex(vertex, names)
        ops.append(data)
        names[vertex.digest] = sha256_digest(data)
    if definition.root is not None:
        ops.append(OP.encode(WireOp((_input(definition.root, names, "the root"),))))
    elif ops:
        raise DefinitionError("a definition with vertices but no root has no form in BuildKit's format")
    return ops, names


def _encode_vertex(vertex: Vertex, names: Mapping[Digest, Digest]) -> bytes:
    try:
        inputs = tuple([_input(edge, names, "an input") for edge in vertex.inputs])
        return OP.encode(WireOp(inputs, vertex.platform, vertex.constraints, vertex.op))
    except DefinitionError as error:
        raise DefinitionError(f"{type(vertex.op).__name__} {vertex.digest.short}: {error.message}") from None


def _input(edge: Edge, names: Mapping[Digest, Digest], what: str) -> WireInput:
    name = names.get(edge.vertex)
    if name is None:
        raise DefinitionError(f"{what} is missing: no vertex {edge.vertex} before it")
    return WireInput(name, edge.output)
