"""Planning: which vertices have a stored result, and which must be performed.

Synchronous and without an event loop: a fully cached build never gets further than this module.
Keys are computed from the sources up, then looked up from the targets down: below a hit nothing is
asked, fetched or mounted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LlbuildError, VertexError
from ..llb import ExecOp, FileCopy, NetMode, SourceOp
from ..values import frozen
from .events import VertexCached, VertexQueued
from .graph import load
from .keys import combine, content_key, is_local, op_key, selected_key, selections, source_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..digest import Digest
    from ..llb import Definition, Edge, Vertex
    from .events import Emit
    from .graph import Graph
    from .keys import Key
    from .store import CacheStore, Record
    from .worker import Prober, Ref

__all__ = ["WHOLE", "Plan", "make_plan", "unresolved_sources"]

# How a local source counts when it is used as it is, and not by copies out of it.
WHOLE = (FileCopy(src="/", dest="/", dir_copy_contents=True),)


@frozen
class Plan:
    """What is known before anything runs.

    `hits`: stored results that serve. `todo`: vertices to perform, inputs first. `sources`: what sources stand for,
    local ones excepted. `keys`: definition keys of all vertices; `op_keys`: of the ops alone; `local_keys`: what each
    use of a local source contributes, by (vertex, input index), and `contents`: the digest and listing behind it.
    `reads`: what is read of inputs by content, of the vertices that do so. `ignoring`: must run, whatever is stored.
    """

    graph: Graph
    sources: Mapping[Digest, str]
    keys: Mapping[Digest, Key]
    op_keys: Mapping[Digest, Key]
    reads: Mapping[Digest, Mapping[int, tuple[FileCopy, ...]]]
    local_keys: Mapping[tuple[Digest, int], Key]
    contents: Mapping[tuple[Digest, int], tuple[Digest, bytes]]
    hits: Mapping[Digest, Record]
    todo: tuple[Digest, ...]
    ignoring: frozenset[Digest]
    store_version: int  # of the store, right before it was asked

    @property
    def complete(self) -> bool:
        """Nothing has to run."""
        return not self.todo

    @property
    def runs_processes(self) -> bool:
        """Whether a process may have to run."""
        return any(isinstance(self.graph.vertices[digest].op, ExecOp) for digest in self.todo)

    @property
    def runs_on_the_default_network(self) -> bool:
        """Whether such a process asks for no network in particular."""
        ops = (self.graph.vertices[digest].op for digest in self.todo)
        return any(isinstance(op, ExecOp) and op.network is NetMode.SANDBOX for op in ops)

    def ref(self, edge: Edge) -> Ref:
        """The stored result of an edge that is among the hits."""
        return self.hits[edge.vertex].refs[edge.output]

    def announce(self, emit: Emit, at: float) -> None:
        """Tell every vertex of the build, and which ones a stored result spares."""
        todo = frozenset(self.todo)
        for digest, vertex in self.graph.vertices.items():
            inputs = tuple(edge.vertex for edge in vertex.inputs)
            emit(VertexQueued(digest, self.graph.name(digest), inputs))
            if digest not in todo:
                emit(VertexCached(digest, at, needed=digest in self.hits))


def unresolved_sources(
    definitions: Iterable[Definition], worker: Prober
) -> tuple[Graph, dict[Digest, str], list[Vertex]]:
    """The graph, what its sources are known to stand for, and those for which that must be asked far away."""
    graph = load(definitions)
    known: dict[Digest, str] = {}
    unknown: list[Vertex] = []
    for digest, vertex in graph.vertices.items():
        if isinstance(vertex.op, SourceOp) and not is_local(vertex):
            try:
                key = worker.source_key(vertex.op, vertex.platform)
            except LlbuildError as error:
                raise VertexError(error.message, vertex=digest, hint=error.hint) from error
            if key is None:
                unknown.append(vertex)
            else:
                known[digest] = key
    return graph, known, unknown


def make_plan(graph: Graph, sources: Mapping[Digest, str], worker: Prober, store: CacheStore) -> Plan:
    """Decide what must run.

    `sources`: what every non-local source of the graph stands for.
    Raises VertexError when a local file that a vertex reads is not there.
    """
    op_keys: dict[Digest, Key] = {}
    keys: dict[Digest, Key] = {}
    reads: dict[Digest, Mapping[int, tuple[FileCopy, ...]]] = {}
    local_keys: dict[tuple[Digest, int], Key] = {}
    contents: dict[tuple[Digest, int], tuple[Digest, bytes]] = {}
    for digest, vertex in graph.vertices.items():
        if digest in sources:
            op_keys[digest] = keys[digest] = source_key(sources[digest])
            continue
        read = selections(vertex)
        if read:
            reads[digest] = read
        op_keys[digest] = op_key(vertex, read)
        if is_local(vertex):
            keys[digest] = op_keys[digest]  # never looked up: its users count what they read of it
            continue
        inputs = []
        for index, edge in enumerate(vertex.inputs):
            key = keys[edge.vertex]
            if is_local(graph.vertices[edge.vertex]):
                found = _local_contents(graph, worker, vertex, index, read.get(index) or WHOLE)
                contents[digest, index] = found
                key = local_keys[digest, index] = content_key(found[0])
            elif index in read:
                key = selected_key(key, read[index])
            inputs.append((key, edge.output))
        keys[digest] = combine(op_keys[digest], inputs)
    ignoring, unsure = graph.ignoring_cache()
    version = store.version()
    hits, todo = _probe(graph, keys, unsure, worker, store)
    while not store.use(hits.values()):  # somebody cleaned up meanwhile
        hits, todo = _probe(graph, keys, unsure, worker, store)
    missed = frozenset(todo)
    spared = (key for digest, key in keys.items() if digest not in hits and digest not in missed)
    store.keep_below(hits.values(), spared)
    return Plan(
        graph=graph,
        sources=sources,
        keys=keys,
        op_keys=op_keys,
        reads=reads,
        local_keys=local_keys,
        contents=contents,
        hits=hits,
        todo=todo,
        ignoring=frozenset(ignoring),
        store_version=version,
    )


def _local_contents(
    graph: Graph, worker: Prober, vertex: Vertex, index: int, selection: tuple[FileCopy, ...]
) -> tuple[Digest, bytes]:
    source = graph.vertices[vertex.inputs[index].vertex].op
    assert isinstance(source, SourceOp)
    try:
        return worker.local_contents(source, selection)
    except LlbuildError as error:
        name = graph.name(vertex.digest)
        raise VertexError(f"{name}: {error.message}", vertex=vertex.digest, hint=error.hint) from error


def _probe(
    graph: Graph, keys: Mapping[Digest, Key], unsure: set[Digest], worker: Prober, store: CacheStore
) -> tuple[dict[Digest, Record], tuple[Digest, ...]]:
    """From the targets down, a level at a time: one look-up per level. unsure: not to be looked up by these keys."""
    hits: dict[Digest, Record] = {}
    missed: set[Digest] = set()
    level = {edge.vertex for edge in graph.roots}
    while level:
        askable = {d for d in level if d not in unsure and not is_local(graph.vertices[d])}
        found = store.find({keys[digest] for digest in askable})
        below: set[Digest] = set()
        for digest in level:
            record = found.get(keys[digest]) if digest in askable else None
            if record is not None and all(worker.available(ref) for ref in record.refs):
                hits[digest] = record
                continue
            missed.add(digest)
            below.update(edge.vertex for edge in graph.vertices[digest].inputs)
        level = below - missed - hits.keys()
    return hits, tuple(digest for digest in graph.vertices if digest in missed)
