"""Which of a few lanes each step runs in, so that no two overlap: what a trace viewer wants to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Digest
    from .timeline import Bar

__all__ = ["Slice", "assign_lanes", "slices_of"]

Slice = tuple["Bar", int, int]  # start and end in microseconds since the build began, the end exclusive


def slices_of(bars: Sequence[Bar]) -> list[Slice]:
    """What ran, by its start; everything lasts a microsecond at least, so that it can be seen."""
    found: list[Slice] = []
    for bar in bars:
        if bar.started is not None and bar.completed is not None:
            start, end = round(bar.started * 1_000_000), round(bar.completed * 1_000_000)
            found.append((bar, start, max(end, start + 1)))
    return sorted(found, key=lambda one: (one[1], one[0].number))


def assign_lanes(slices: Sequence[Slice]) -> dict[Digest, int]:
    """A lane per step, from 0. As few lanes as there are steps at once.

    Of the free lanes, a step takes the one where an input of its ended last, else its stage's, so that a lane reads
    like a story; else the first.
    """
    ends: list[int] = []  # of the last slice of each lane
    last: list[Bar] = []
    lanes: dict[Digest, int] = {}
    for bar, start, end in slices:
        free = [lane for lane, ended in enumerate(ends) if ended <= start]
        if not free:
            lanes[bar.vertex] = len(ends)
            ends.append(end)
            last.append(bar)
            continue
        chosen = min(free, key=lambda lane: (_strangeness(bar, last[lane]), lane))
        lanes[bar.vertex] = chosen
        ends[chosen], last[chosen] = end, bar
    return lanes


def _strangeness(bar: Bar, before: Bar) -> int:
    if before.vertex in bar.inputs:
        return 0
    return 1 if before.group == bar.group else 2
