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

__all__ = ["critical_path", "dependents", "implied_inputs", "to_networkx", "transitive_reduction"]


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
    """The chain of vertices that decides how long the build takes, first to last.

    What is not among the durations did not run: nothing waited for it, and the chain does not lead through it.
    """
    ran = [vertex.digest for vertex in definition.vertices if vertex.digest in durations_s]
    graph: nx.DiGraph[Digest] = nx.DiGraph(to_networkx(definition).subgraph(ran))
    for source, target in graph.edges:
        graph.edges[source, target]["weight"] = durations_s[target]
    if not graph:
        return []
    # A chain's first vertex costs too: hang every root below one virtual start.
    start = Digest("")
    for digest in [node for node, degree in graph.in_degree() if degree == 0]:
        graph.add_edge(start, digest, weight=durations_s[digest])
    path: list[Digest] = nx.dag_longest_path(graph, weight="weight")
    return [digest for digest in path if digest != start]


def dependents(definition: Definition, vertex: Digest) -> set[Digest]:
    """Every vertex that would have to be looked at again if this one changed."""
    return set(nx.descendants(to_networkx(definition), vertex))


def implied_inputs(definition: Definition) -> set[tuple[Digest, Digest]]:
    """The edges (input, user) beside which a longer path leads from the one to the other.

    networkx has `transitive_reduction`, which walks the graph once per vertex: half a minute for 5,000 in a chain.
    Here a vertex's ancestors are the bits of one number, and joining two sets of them is one operation.
    """
    place = {vertex.digest: number for number, vertex in enumerate(definition.vertices)}
    above: dict[Digest, int] = {}  # ancestors, the vertex itself among them
    implied = set()
    for vertex in definition.vertices:
        inputs = dict.fromkeys(edge.vertex for edge in vertex.inputs)
        met = 1 << place[vertex.digest]
        for digest in sorted(inputs, key=lambda one: place[one], reverse=True):  # what comes late knows what is early
            if met >> place[digest] & 1:
                implied.add((digest, vertex.digest))
            met |= above[digest]
        above[vertex.digest] = met
    return implied


def transitive_reduction(definition: Definition) -> nx.DiGraph[Digest]:
    """The graph without edges that a longer path implies: for drawing."""
    graph = to_networkx(definition)
    graph.remove_edges_from(implied_inputs(definition))
    return graph
