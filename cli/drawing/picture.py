"""What a drawing of a graph shows, whatever the format: nodes, links and stages, and how a build went through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...llb import (
    Definition,
    ExecOp,
    SourceOp,
    base_inputs,
    critical_path,
    implied_inputs,
    parse_step_name,
    vertex_name,
)
from ...solver import Outcome
from ...values import frozen, replace
from ..units import human_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...digest import Digest
    from ...llb import Metadata, Vertex
    from ...solver import BuildRecord, BuildSummary, Step
    from ...span import Span

__all__ = ["OUTCOME_WORDS", "Link", "Node", "Picture", "make_picture"]

OUTCOME_WORDS = {
    Outcome.CACHED: "cached",
    Outcome.EXECUTED: "executed",
    Outcome.FAILED: "failed",
    Outcome.CANCELED: "canceled",
    Outcome.UNNEEDED: "not needed",
}


@frozen
class Node:
    """A vertex. `text` is its instruction, `stage` the cluster it stands in ("": none), `step` its place there."""

    digest: Digest
    op: str  # exec, file, source, …
    name: str
    text: str
    stage: str = ""
    step: str = ""  # 2/5
    command: tuple[str, ...] = ()  # of a process
    places: tuple[Span, ...] = ()
    ran: Step | None = None  # in the build that is shown
    critical: bool = False
    wanted: bool = False  # the build's target

    @property
    def outcome(self) -> str:
        """The outcome as one word, to choose colours by; "" when no build is shown."""
        return "" if self.ran is None else self.ran.outcome.name.lower()

    @property
    def state(self) -> str:
        """How it ended, in words; "" when no build is shown."""
        if self.ran is None:
            return ""
        if self.ran.outcome is Outcome.CANCELED and self.ran.started is None:
            return "not reached"
        word = OUTCOME_WORDS[self.ran.outcome]
        return word if self.ran.started is None else f"{word} {human_duration(self.ran.duration_s)}"


@frozen
class Link:
    """An edge from an input to its user, by the digests of both. `base`: the user's filesystem grows out of it."""

    source: Digest
    target: Digest
    output: int
    base: bool
    critical: bool = False


@frozen
class Picture:
    """A graph to draw. nodes: inputs first; `build` is the build whose outcomes the nodes have."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    definition: Definition
    build: BuildSummary | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """In order of appearance."""
        return tuple(dict.fromkeys(node.stage for node in self.nodes if node.stage))


def make_picture(
    definitions: Sequence[Definition], record: BuildRecord | None = None, *, whole: bool = False
) -> Picture:
    """The picture of a build's definitions as one graph, with the outcomes of `record` if there is one.

    Unless `whole`, links are left out that only repeat: a stage that reads the context in every step is drawn to
    read it where it does so first. A vertex's base is always shown.
    """
    definition = _merged(definitions)
    roots = {one.root.vertex for one in definitions if one.root is not None}
    said = definition.metadata_of()
    ran = record.outcomes() if record is not None else {}
    path = _critical(definition, ran)
    nodes = [
        replace(_node(vertex, said.get(vertex.digest)), ran=ran.get(vertex.digest), critical=vertex.digest in path)
        for vertex in definition.vertices
    ]
    nodes = [replace(node, wanted=True) if node.digest in roots else node for node in nodes]
    return Picture(
        nodes=tuple(_settle(nodes, definition)),
        links=tuple(_links(definition, path, set() if whole else implied_inputs(definition))),
        definition=definition,
        build=record.summary if record is not None else None,
    )


def _merged(definitions: Sequence[Definition]) -> Definition:
    if len(definitions) == 1:
        return definitions[0]
    vertices = {vertex.digest: vertex for definition in definitions for vertex in definition.vertices}
    metadata = {digest: said for definition in reversed(definitions) for digest, said in definition.metadata}
    return Definition(vertices=tuple(vertices.values()), metadata=tuple(metadata.items()))


def _node(vertex: Vertex, said: Metadata | None) -> Node:
    name = vertex_name(vertex, said)
    step = parse_step_name(name)
    return Node(
        digest=vertex.digest,
        op=type(vertex.op).__name__.removesuffix("Op").lower(),
        name=name,
        text=step.text,
        stage=step.stage if step.number else "",
        step=f"{step.number}/{step.total}" if step.number else "",
        command=vertex.op.args if isinstance(vertex.op, ExecOp) else (),
        places=said.spans if said is not None else (),
    )


def _settle(nodes: Sequence[Node], definition: Definition) -> list[Node]:
    """A source that several stages read is in none of them: it is named after just one."""
    stage_of = {node.digest: node.stage for node in nodes}
    readers: dict[Digest, set[str]] = {}
    for vertex in definition.vertices:
        for edge in vertex.inputs:
            readers.setdefault(edge.vertex, set()).add(stage_of[vertex.digest])
    sources = {vertex.digest for vertex in definition.vertices if isinstance(vertex.op, SourceOp)}
    return [
        replace(node, stage="", step="")
        if node.digest in sources and readers.get(node.digest, {node.stage}) != {node.stage}
        else node
        for node in nodes
    ]


def _critical(definition: Definition, ran: Mapping[Digest, Step]) -> dict[Digest, Digest]:
    """The vertices that decided how long the build took, each with the one before it; itself for the first."""
    failed = any(step.outcome is Outcome.FAILED for step in ran.values())
    durations = {
        digest: step.duration_s
        for digest, step in ran.items()
        if step.started is not None and not (failed and step.outcome is Outcome.CANCELED)  # which nothing waited for
    }
    path = critical_path(definition, durations) if durations else []
    return {digest: path[max(0, place - 1)] for place, digest in enumerate(path)}


def _links(definition: Definition, path: Mapping[Digest, Digest], hidden: set[tuple[Digest, Digest]]) -> list[Link]:
    links: dict[tuple[Digest, Digest], Link] = {}  # two outputs of one vertex are one line
    for vertex in definition.vertices:
        base = base_inputs(vertex)
        for number, edge in enumerate(vertex.inputs):
            ends = (edge.vertex, vertex.digest)
            known = links.get(ends)
            critical = path.get(vertex.digest) == edge.vertex
            if known is not None and (known.base or number not in base):
                continue
            if ends in hidden and number not in base and not critical:
                continue
            links[ends] = Link(
                source=edge.vertex, target=vertex.digest, output=edge.output, base=number in base, critical=critical
            )
    return list(links.values())
