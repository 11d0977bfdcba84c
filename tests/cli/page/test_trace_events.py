"""Traces for Perfetto: the structure that the Trace Event Format asks for."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from llbuild.cli.builds.steps import every_step
from llbuild.cli.page import Subject, render_trace
from llbuild.solver import BuildRecord, Outcome
from llbuild.tests.cli.builds.recorded import completed, failed, vertex
from llbuild.tests.cli.drawing.samples import T0, odd_chain, record_of
from llbuild.values import replace


def trace_of(record: BuildRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_trace(Subject(record=record, steps=tuple(every_step(record)))))
    return found


def of_phase(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def odd() -> BuildRecord:
    record = record_of(odd_chain(), {})
    steps = [
        replace(step, outcome=Outcome.EXECUTED, started=T0 + place / 7, completed=T0 + place / 7 + 1)
        for place, step in enumerate(record.steps)
    ]
    return replace(record, steps=tuple(steps))


@pytest.mark.parametrize(
    "record",
    [completed(), failed(), odd(), BuildRecord(summary=failed().summary)],
    ids=["ok", "failed", "odd", "empty"],
)
def test_a_trace_is_well_formed(record: BuildRecord) -> None:
    trace = trace_of(record)
    assert trace["displayTimeUnit"] == "ms"
    lanes = {event["tid"] for event in of_phase(trace, "M") if event["name"] == "thread_name"}
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["pid"] == 1
        if event["ph"] in {"X", "i", "s", "f"}:
            assert event["tid"] in lanes
        if event["ph"] != "M":
            assert isinstance(event["ts"], int)
            assert event["ts"] >= 0
    slices = sorted((event["tid"], event["ts"], event["dur"]) for event in of_phase(trace, "X"))
    for (lane, start, length), (next_lane, next_start, _) in pairwise(slices):
        assert lane != next_lane or start + length <= next_start
    starts, ends = ({event["id"]: event for event in of_phase(trace, phase)} for phase in "sf")
    assert starts.keys() == ends.keys()
    for number, start in starts.items():
        assert start["ts"] <= ends[number]["ts"]
        assert ends[number]["bp"] == "e"
        for end in (start, ends[number]):  # inside a slice, or the viewer drops it
            assert any(lane == end["tid"] and at <= end["ts"] < at + length for lane, at, length in slices)


def test_a_slice_tells_what_is_known_of_its_step() -> None:
    (make,) = [event for event in of_phase(trace_of(failed()), "X") if "<check>" in event["name"]]
    assert (make["ts"], make["dur"], make["cat"], make["cname"]) == (1_000_000, 700_000, "build", "terrible")
    assert make["args"] == {
        "step": 4,
        "digest": vertex("<check>"),
        "outcome": "failed",
        "error": 'process "make" exited with code 2',
        "inputs": [vertex("COPY src /src")],
        "waited_ms": 300.0,
        "critical": True,
    }


def test_arrows_lead_from_inputs_that_ran() -> None:
    trace = trace_of(completed())
    slices = {event["args"]["digest"]: event for event in of_phase(trace, "X")}
    count = sum(digest in slices for event in slices.values() for digest in event["args"].get("inputs", []))
    assert len(of_phase(trace, "s")) == count == 3


def test_the_counter_follows_what_runs_and_ends_at_zero() -> None:
    counts = [(event["ts"], event["args"]["steps"]) for event in of_phase(trace_of(failed()), "C")]
    assert counts == [(500_000, 1), (1_000_000, 2), (1_700_000, 0)]


def test_what_was_cached_is_a_moment_in_a_lane_of_its_own() -> None:
    record = completed()
    steps = tuple(
        replace(step, completed=T0 + 0.25) if step.outcome is Outcome.CACHED else step for step in record.steps
    )
    (cached,) = of_phase(trace_of(replace(record, steps=steps)), "i")
    assert (cached["ts"], cached["tid"], cached["args"]["outcome"]) == (250_000, 0, "cached")
