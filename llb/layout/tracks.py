"""Side by side in a gap: each net gets a track of its own, unless their stretches do not meet."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from .routes import Net

    Stretch: TypeAlias = tuple[float, float]

__all__ = ["Lane", "assign_tracks"]

_APART = 1e-3  # stretches that end and begin at one place would look like one


class Lane:
    """What the nets of one gap want there: the stretch each needs, and who has to stay before whom."""

    __slots__ = ("after", "stretches")

    def __init__(self) -> None:
        self.stretches: dict[Net, Stretch] = {}
        self.after: dict[Net, set[Net]] = {}

    def need(self, net: Net, one: float, other: float) -> None:
        """The net runs from `one` to `other`, in either direction, and along whatever it needed here before."""
        low, high = self.stretches.get(net, (one, other))
        self.stretches[net] = (min(low, one, other), max(high, one, other))

    def put_after(self, net: Net, before: Net) -> None:
        """Where `before` turns off and `net` comes in at one place, they would overlap the other way round."""
        if net != before:
            self.after.setdefault(net, set()).add(before)


def assign_tracks(lane: Lane) -> tuple[dict[Net, int], int]:
    """A track per net, from 0, and how many there are. Wishes that go round in a circle are given up."""
    tracks: dict[Net, int] = {}
    ends: list[float] = []  # where the last stretch of each track ends
    by_end: list[tuple[float, int]] = []  # the same as a heap; entries that are no longer true are skipped
    for net in _order(lane):
        low, high = lane.stretches[net]
        least = 1 + max((tracks[other] for other in lane.after.get(net, ()) if other in tracks), default=-1)
        track = _earliest(by_end, ends, low) if least == 0 else _first(ends, least, low)
        while track >= len(ends):
            ends.append(-inf)
        ends[track] = max(ends[track], high)
        heappush(by_end, (ends[track], track))
        tracks[net] = track
    return tracks, len(ends)


def _earliest(by_end: list[tuple[float, int]], ends: list[float], low: float) -> int:
    """The track that has been free for longest at `low`, or a new one."""
    while by_end and by_end[0][0] < low - _APART:
        end, track = heappop(by_end)
        if end == ends[track]:
            return track
    return len(ends)


def _first(ends: list[float], least: int, low: float) -> int:
    """The first track from `least` on that is free at `low`, or a new one."""
    return next((track for track in range(least, len(ends)) if ends[track] < low - _APART), max(least, len(ends)))


def _order(lane: Lane) -> Iterable[Net]:
    """From left to right, but who has to stay before another comes before it."""
    waiting: Mapping[Net, set[Net]] = {net: set(lane.after.get(net, ())) for net in lane.stretches}
    seen: set[Net] = set()
    for start in sorted(lane.stretches, key=lambda net: lane.stretches[net]):
        stack = [start]
        entered: set[Net] = set()
        while stack:
            net = stack[-1]
            if net in seen:
                stack.pop()
                continue
            left = [other for other in waiting[net] if other not in seen and other not in entered]
            if net in entered or not left:
                seen.add(net)
                stack.pop()
                yield net
                continue
            entered.add(net)
            stack.extend(left)
