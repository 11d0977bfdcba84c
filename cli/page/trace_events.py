"""A build as a trace for Perfetto (ui.perfetto.dev) and chrome://tracing: the JSON form of the Trace Event Format.

Complete events ("X") in lanes that they never overlap in, instant events ("i") for what was cached, a counter ("C") of
running steps, and flow events ("s", "f") from each step to those that it is an input of. Times are microseconds since
the build began.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...solver import Outcome, ProcessUsage
from ...values import value_fields
from ..builds.listing import build_title
from ..drawing import OUTCOME_WORDS, make_picture
from ..progress.rawjson import rfc3339
from ..text import clip, harmless, single_line
from .lanes import assign_lanes, slices_of
from .timeline import make_timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...digest import Digest
    from .document import Subject
    from .lanes import Slice
    from .timeline import Bar, Timeline

__all__ = ["render_trace"]

_BUILD = 1  # the process
_CACHED_LANE = 0  # thread ids; the lanes of what ran follow
_NAME_WIDTH = 120
# Names that Chrome's viewer knows colours by; Perfetto has its own.
_COLOURS = {Outcome.EXECUTED: "thread_state_running", Outcome.FAILED: "terrible", Outcome.CANCELED: "bad"}


def render_trace(subject: Subject) -> str:
    """The whole document, one event a line."""
    record = subject.record
    build = record.summary
    timeline = make_timeline(record, subject.steps, make_picture(record.definitions, record))
    title = f"build {build.id}: {single_line(build_title(build))}"
    other = {
        "build": build.id,
        "status": build.status.value,
        "started": rfc3339(build.started),
        "error": harmless(build.error),
        "llbuild": record.details.version,
        "cpus": record.details.cpus,
    }
    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in _events(timeline, title))
    return f'{{"displayTimeUnit":"ms","otherData":{json.dumps(other)},\n"traceEvents":[\n{events}\n]}}\n'


def _events(timeline: Timeline, title: str) -> Iterator[dict[str, Any]]:
    slices = slices_of(timeline.bars)
    lanes = {vertex: lane + 1 for vertex, lane in assign_lanes(slices).items()}
    idle = [bar for bar in timeline.bars if bar.outcome is Outcome.CACHED and bar.completed is not None]
    yield from _names(title, max(lanes.values(), default=0), has_idle=bool(idle))
    yield from (_cached(bar) for bar in idle)
    yield from (_complete(one, lanes) for one in slices)
    yield from _counter(slices)
    yield from _flows(slices, lanes)


def _names(title: str, count: int, *, has_idle: bool) -> Iterator[dict[str, Any]]:
    yield _meta("process_name", _CACHED_LANE, name=title)
    for lane in range(_CACHED_LANE if has_idle else 1, count + 1):
        yield _meta("thread_name", lane, name=f"lane {lane}" if lane else "cached")
        yield _meta("thread_sort_index", lane, sort_index=lane)


def _meta(what: str, lane: int, **args: object) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": _BUILD, "tid": lane, "args": args}


def _cached(bar: Bar) -> dict[str, Any]:
    assert bar.completed is not None
    return {
        **_head(bar, "i"),
        "s": "t",
        "tid": _CACHED_LANE,
        "ts": round(bar.completed * 1_000_000),
        "args": _args(bar),
    }


def _complete(one: Slice, lanes: Mapping[Digest, int]) -> dict[str, Any]:
    bar, start, end = one
    event = {**_head(bar, "X"), "tid": lanes[bar.vertex], "ts": start, "dur": end - start, "args": _args(bar)}
    if bar.outcome in _COLOURS:
        event["cname"] = _COLOURS[bar.outcome]
    return event


def _head(bar: Bar, phase: str) -> dict[str, Any]:
    return {"ph": phase, "name": clip(single_line(bar.name), _NAME_WIDTH), "cat": single_line(bar.group), "pid": _BUILD}


def _args(bar: Bar) -> dict[str, Any]:
    fields = {
        "step": bar.number,
        "digest": bar.vertex,
        "outcome": OUTCOME_WORDS[bar.outcome],
        "reason": "; ".join(single_line(reason.summary) for reason in bar.reasons),
        "error": single_line(bar.error),
        "inputs": list(bar.inputs),
        "waited_ms": round(bar.waited_s * 1000, 3),
        "critical": bar.critical,
    }
    if bar.usage is not None:
        fields |= {name: getattr(bar.usage, name) for name, _, _ in value_fields(ProcessUsage)}
    return {name: value for name, value in fields.items() if value not in ("", [], 0.0, False)}


def _counter(slices: Sequence[Slice]) -> Iterator[dict[str, Any]]:
    changes: dict[int, int] = {}
    for _, start, end in slices:
        changes[start] = changes.get(start, 0) + 1
        changes[end] = changes.get(end, 0) - 1
    count = 0
    for at in sorted(changes):
        if changes[at]:
            count += changes[at]
            yield {"ph": "C", "name": "running steps", "pid": _BUILD, "ts": at, "args": {"steps": count}}


def _flows(slices: Sequence[Slice], lanes: Mapping[Digest, int]) -> Iterator[dict[str, Any]]:
    """Arrows between what ran. They are bound to the slices that enclose their ends."""
    spans = {bar.vertex: (start, end) for bar, start, end in slices}
    number = 0
    for bar, start, _ in slices:
        for digest in bar.inputs:
            if digest not in spans or spans[digest][0] > start:  # cached, or the clock was set back meanwhile
                continue
            number += 1
            arrow = {"name": "input", "cat": "input", "pid": _BUILD, "id": number}
            yield {"ph": "s", **arrow, "tid": lanes[digest], "ts": min(spans[digest][1] - 1, start)}
            yield {"ph": "f", "bp": "e", **arrow, "tid": lanes[bar.vertex], "ts": start}
