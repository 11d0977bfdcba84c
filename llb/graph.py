"""Graph questions over a definition: drawing, critical path, what depends on what.

The one module that knows networkx. Nothing in a build's way needs it: it costs ~130 ms to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from ..digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .definition import Definition

__all__ = ["critical_path", "dependents", "to_networkx", "transitive_reduction"]


def to_networkx(definition: Definition) -> nx.DiGraph[Digest]:
    """A directed graph, edges from input to user. Nodes carry `op` (its kind) and `name`."""
    graph: nx.DiGraph[Digest] = nx.DiGraph()
    names = definition.metadata_of()
    for vertex in definition.vertices:
        said = names.get(vertex.digest)
        graph.add_node(vertex.digest, op=type(vertex.op).__name__, name=said.name if said else "")
    for vertex in definition.vertices:
        for edge in vertex.inputs:
            graph.add_edge(edge.vertex, vertex.digest, output=edge.output)
    return graph


def critical_path(definition: Definition, durations_s: Mapping[Digest, float]) -> list[Digest]:
    """The chain of vertices that decides how long the build takes, first to last."""
    graph = to_networkx(definition)
    for source, target in graph.edges:
        graph.edges[source, target]["weight"] = durations_s.get(target, 0.0)
    if not graph:
        return []
    # A chain's first vertex costs too: hang every root below one virtual start.
    start = Digest("")
    for digest in [node for node, degree in graph.in_degree() if degree == 0]:
        graph.add_edge(start, digest, weight=durations_s.get(digest, 0.0))
    path: list[Digest] = nx.dag_longest_path(graph, weight="weight")
    return [digest for digest in path if digest != start]


def dependents(definition: Definition, vertex: Digest) -> set[Digest]:
    """Every vertex that would have to be looked at again if this one changed."""
    return set(nx.descendants(to_networkx(definition), vertex))


def transitive_reduction(definition: Definition) -> nx.DiGraph[Digest]:
    """The graph without edges that a longer path implies: for drawing."""
    graph = to_networkx(definition)
    reduced = nx.transitive_reduction(graph)
    reduced.add_nodes_from(graph.nodes(data=True))
    return reduced
