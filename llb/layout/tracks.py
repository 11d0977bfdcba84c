"""Side by side in a gap: each net gets a track of its own, unless their stretches do not meet."""

from __future__ import annotations

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
    ends: list[list[Stretch]] = []  # what is on each track
    for net in _order(lane):
        low, high = lane.stretches[net]
        least = 1 + max((tracks[other] for other in lane.after.get(net, ()) if other in tracks), default=-1)
        track = least
        while track < len(ends) and any(low <= b + _APART and a <= high + _APART for a, b in ends[track]):
            track += 1
        while track >= len(ends):
            ends.append([])
        ends[track].append((low, high))
        tracks[net] = track
    return tracks, len(ends)


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
