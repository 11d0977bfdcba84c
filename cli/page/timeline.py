"""A build along its time: when each step could start, started and ended, and what ran beside what.

Pure. Times are seconds since the build began.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from ...solver import Outcome
from ...values import frozen
from ..drawing import label_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...digest import Digest
    from ...solver import BuildRecord, ProcessUsage, Reason, Step
    from ..drawing import Node, Picture
    from ..explain import ExplainedStep

__all__ = ["Bar", "Group", "Timeline", "make_timeline", "running_over_time"]

AROUND = "around the graph"  # what is no vertex: asking registries, exporting
SOURCES = "sources"
STEPS = "steps"


@frozen
class Bar:
    """One step. `ready`: when its inputs were there; None for what never started.

    Of what was cached, `completed` is when that became known; a step that a result further up spared has no times.
    """

    number: int
    vertex: Digest
    name: str
    text: str  # the name without its place, on one line
    group: str
    outcome: Outcome
    node: Node | None = None  # in the graph
    inputs: tuple[Digest, ...] = ()
    ready: float | None = None
    started: float | None = None
    completed: float | None = None
    place: float = 0.0  # in the order of things: when it started, or was settled
    error: str = ""
    usage: ProcessUsage | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def duration_s(self) -> float:
        return 0.0 if self.started is None or self.completed is None else max(0.0, self.completed - self.started)

    @property
    def waited_s(self) -> float:
        return 0.0 if self.ready is None or self.started is None else max(0.0, self.started - self.ready)

    @property
    def critical(self) -> bool:
        return self.node is not None and self.node.critical


@frozen
class Group:
    """The steps of a stage, by their start."""

    name: str
    bars: tuple[Bar, ...]


@frozen
class Timeline:
    """bars: by number. groups: by their first start. path: the critical path, first to last.

    running: how many steps ran from each moment on. `average` is over the time in which anything ran. `first_s`: when
    the first thing of the graph was known.
    """

    duration_s: float
    first_s: float
    bars: tuple[Bar, ...]
    groups: tuple[Group, ...]
    path: tuple[Bar, ...]
    running: tuple[tuple[float, int], ...]
    average: float
    maximum: int


def make_timeline(record: BuildRecord, steps: Iterable[ExplainedStep], picture: Picture) -> Timeline:
    """steps: everything the build did, numbered; picture: of the build's own graph."""
    began = record.summary.started
    duration_s = record.summary.duration_s
    ran = record.outcomes()
    nodes = {node.digest: node for node in picture.nodes}
    inputs = {
        vertex.digest: tuple(dict.fromkeys(edge.vertex for edge in vertex.inputs))
        for vertex in picture.definition.vertices
    }
    first = min((at for digest in nodes for at in _times(ran.get(digest))), default=began)
    bars = []
    for step in steps:
        node, said = nodes.get(step.vertex), ran[step.vertex]
        fed = inputs.get(step.vertex, ())
        started, completed = _since(said.started, began), _since(said.completed, began)
        if started is not None and completed is None:
            completed = duration_s
        bars.append(
            Bar(
                number=step.number,
                vertex=step.vertex,
                name=step.name,
                text=step.name if node is None else label_of(node),
                group=_group(node),
                outcome=step.outcome,
                node=node,
                inputs=fed,
                ready=_since(_ready(said, fed, ran, first), began) if node is not None else started,
                started=started,
                completed=completed,
                place=_place(step.outcome, started, completed, first - began),
                error=said.error,
                usage=said.usage,
                reasons=step.reasons,
            )
        )
    running = running_over_time(bars)
    busy_s, spent_s = sum(bar.duration_s for bar in bars), _spent(running)
    return Timeline(
        duration_s=duration_s,
        first_s=max(0.0, first - began),
        bars=tuple(bars),
        groups=_groups(bars),
        path=tuple(sorted((bar for bar in bars if bar.critical), key=_order)),
        running=running,
        average=busy_s / spent_s if spent_s else 0.0,
        maximum=max((count for _, count in running), default=0),
    )


def _times(step: Step | None) -> list[float]:
    return [] if step is None else [at for at in (step.started, step.completed) if at is not None]


def _since(at: float | None, began: float) -> float | None:
    return None if at is None else max(0.0, at - began)


def _ready(step: Step, inputs: Iterable[Digest], ran: Mapping[Digest, Step], first: float) -> float | None:
    """When the last of its inputs was there; of what has none, when the first thing at all was known."""
    if step.started is None:
        return None
    ends = [fed.completed for digest in inputs if (fed := ran.get(digest)) is not None and fed.completed is not None]
    return min(step.started, max([first, *ends]))


def _group(node: Node | None) -> str:
    if node is None:
        return AROUND
    return node.stage or (SOURCES if node.op == "source" and not node.step else STEPS)


def _place(outcome: Outcome, started: float | None, completed: float | None, first: float) -> float:
    """What was not needed was settled with the first thing that was known; what was not reached comes last."""
    if started is not None:
        return started
    if completed is not None:
        return completed
    return first if outcome is Outcome.UNNEEDED else inf


def _order(bar: Bar) -> tuple[float, int]:
    return (bar.place, bar.number)


def _groups(bars: Sequence[Bar]) -> tuple[Group, ...]:
    by_name: dict[str, list[Bar]] = {}
    for bar in sorted(bars, key=_order):
        by_name.setdefault(bar.group, []).append(bar)
    return tuple(Group(name=name, bars=tuple(found)) for name, found in by_name.items())


def running_over_time(bars: Iterable[Bar]) -> tuple[tuple[float, int], ...]:
    """How many ran, from each moment at which that changed. What took no time at all counts nowhere."""
    changes: dict[float, int] = {}
    for bar in bars:
        if bar.started is not None and bar.completed is not None and bar.completed > bar.started:
            changes[bar.started] = changes.get(bar.started, 0) + 1
            changes[bar.completed] = changes.get(bar.completed, 0) - 1
    found, count = [], 0
    for at in sorted(changes):
        if changes[at]:
            count += changes[at]
            found.append((at, count))
    return tuple(found)


def _spent(running: Sequence[tuple[float, int]]) -> float:
    """Seconds during which anything ran."""
    return sum(until - at for (at, count), (until, _) in pairwise(running) if count)
