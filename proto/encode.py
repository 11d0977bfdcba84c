"""Definitions as BuildKit's protobuf, and the names that vertices have there: the sha256 of their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..errors import DefinitionError
from .caps import needed_caps
from .graph import (
    DEFINITION,
    OP,
    WireDefinition,
    WireInput,
    WireLocation,
    WireMetadata,
    WireOp,
    WirePosition,
    WireRange,
    WireSource,
)
from ..llb import Metadata, SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..digest import Digest
    from ..llb import Definition, Edge, Vertex
    from ..span import Span

__all__ = ["CUSTOM_NAME", "encode_buildkit", "encode_ops", "final_metadata", "op_digests", "wire_metadata"]

CUSTOM_NAME = "llb.customname"  # the description's key for what progress shows


def encode_buildkit(definition: Definition) -> bytes:
    """A `pb.Definition`, in the bytes that BuildKit's client would write.

    Raises DefinitionError where a vertex's input is missing, where vertices come without a root, and for what
    protobuf cannot hold (a number too large, text that is not UTF-8).
    """
    ops, names = encode_ops(definition)
    said = definition.metadata_of()
    known = {digest: said.get(digest, Metadata()) for digest in names}
    metadata = [
        (
            names[vertex.digest],
            wire_metadata(known[vertex.digest], needed_caps(vertex.op, known[vertex.digest].resources)),
        )
        for vertex in definition.vertices
    ]
    if definition.root is not None:
        metadata.append((sha256_digest(ops[-1]), final_metadata(meta for _, meta in metadata)))
    source = _source(definition, {names[digest]: meta.spans for digest, meta in known.items()})
    return DEFINITION.encode(WireDefinition(tuple(ops), tuple(metadata), source))


def op_digests(definition: Definition) -> dict[Digest, str]:
    """BuildKit's name of each vertex, `sha256:…`, by ours."""
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


def wire_metadata(meta: Metadata, caps: Iterable[str]) -> WireMetadata:
    """`caps`: what is needed where the metadata does not say."""
    named = {CUSTOM_NAME: meta.name} if meta.name else {}
    return WireMetadata(
        ignore_cache=meta.ignore_cache,
        description=tuple({**dict(meta.description), **named}.items()),
        export_cache=meta.export_cache,
        caps=tuple((cap, True) for cap in (caps if meta.caps is None else meta.caps)),
        progress_group=meta.progress_group,
        resources=meta.resources,
    )


def final_metadata(others: Iterable[WireMetadata]) -> WireMetadata:
    """What is said of the last op: what reading the definition itself asks of a builder."""
    caps = {"constraints", "platform"}
    for meta in others:
        if meta.ignore_cache:
            caps.add("meta.ignorecache")
        if meta.description:
            caps.add("meta.description")
        if meta.export_cache is not None:
            caps.add("meta.exportcache")
    return WireMetadata(
        ignore_cache=False,
        description=(),
        export_cache=None,
        caps=tuple((cap, True) for cap in caps),
        progress_group=None,
        resources=None,
    )


def _source(definition: Definition, spans: Mapping[str, tuple[Span, ...]]) -> WireSource | None:
    """Build files and places; places in a file that the definition does not hold get one without contents."""
    paths = [file.path for file in definition.sources]
    strangers = dict.fromkeys(span.path for said in spans.values() for span in said if span.path not in paths)
    files = (*definition.sources, *(SourceFile(path=path, data=b"", language="") for path in strangers))
    if not files:
        return None
    number = {file.path: index for index, file in reversed(tuple(enumerate(files)))}
    return WireSource(tuple((name, _locations(said, number)) for name, said in spans.items()), files)


def _locations(spans: Iterable[Span], number: Mapping[str, int]) -> tuple[WireLocation, ...]:
    """Neighbouring spans of one file are the ranges of one location."""
    found: list[WireLocation] = []
    for span in spans:
        start = WirePosition(span.line, span.column - 1)
        end = WirePosition(span.last_line, max(span.end_column - 1, 0))
        index = number[span.path]
        if found and found[-1].source == index:
            found[-1] = WireLocation(index, (*found[-1].ranges, WireRange(start, end)))
        else:
            found.append(WireLocation(index, (WireRange(start, end),)))
    return tuple(found)
