"""The graph of a build: several definitions made one, each vertex once, only what the targets need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..llb import Metadata, check_links, merge_metadata, vertex_name
from ..values import frozen
from .keys import is_local, selections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..digest import Digest
    from ..llb import Definition, Edge, Vertex

__all__ = ["Graph", "load"]

_SILENT = Metadata()


@frozen
class Graph:
    """Vertices in topological order (inputs first), their metadata, and the edges wanted of them."""

    vertices: Mapping[Digest, Vertex]
    metadata: Mapping[Digest, Metadata]
    roots: tuple[Edge, ...]

    def name(self, vertex: Digest) -> str:
        """What people call the vertex."""
        return vertex_name(self.vertices[vertex], self.metadata.get(vertex))

    def ignoring_cache(self) -> tuple[set[Digest], set[Digest]]:
        """Vertices that must run although a result may be known: those told so, and what is built on them.

        And all that has one of these anywhere below: what only reads files of them need not run when these came out
        the same, which nobody knows before.
        """
        ignoring: set[Digest] = set()
        unsure: set[Digest] = set()
        for digest, vertex in self.vertices.items():
            if self.metadata.get(digest, _SILENT).ignore_cache and not is_local(vertex):
                ignoring.add(digest)
                unsure.add(digest)
                continue
            if any(edge.vertex in unsure for edge in vertex.inputs):
                unsure.add(digest)
                read = selections(vertex)
                if any(edge.vertex in ignoring for index, edge in enumerate(vertex.inputs) if index not in read):
                    ignoring.add(digest)
        return ignoring, unsure


def load(definitions: Iterable[Definition]) -> Graph:
    """Merge definitions. Equal digest = same vertex; what no root reaches is left out.

    Raises DefinitionError when the numbers of inputs and outputs in it make no sense.
    """
    vertices: dict[Digest, Vertex] = {}
    metadata: dict[Digest, Metadata] = {}
    roots: list[Edge] = []
    for definition in definitions:
        for vertex in definition.vertices:
            vertices.setdefault(vertex.digest, vertex)
        for digest, said in definition.metadata:
            known = metadata.get(digest)
            metadata[digest] = said if known is None else merge_metadata(known, said)
        if definition.root is not None:
            roots.append(definition.root)
    needed = _reachable(vertices, roots)
    vertices = {digest: vertex for digest, vertex in vertices.items() if digest in needed}
    check_links(vertices, roots)
    return Graph(vertices=vertices, metadata=metadata, roots=tuple(roots))


def _reachable(vertices: Mapping[Digest, Vertex], roots: Iterable[Edge]) -> set[Digest]:
    seen: set[Digest] = set()
    todo = [edge.vertex for edge in roots]
    while todo:
        digest = todo.pop()
        if digest not in seen:
            seen.add(digest)
            todo.extend(edge.vertex for edge in vertices[digest].inputs)
    return seen
