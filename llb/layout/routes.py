"""Which way each wire takes, in terms of the grid: which row gaps it runs along, which column gap it descends in.

Row gap g lies above row g, column gap j left of column j. A net is what leaves one box as wires of one kind; its
wires share their pieces. Wires of different nets cross, and hardly ever run on each other (see `assign_tracks`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from .shapes import Box, Wire

__all__ = ["NOWHERE", "PORT_PX", "Net", "Route", "routes_of"]

NOWHERE = -1
PORT_PX = 16.0  # between the places where wires enter a box
_PORT_MARGIN_PX = 12.0
Net: TypeAlias = "tuple[int, bool]"


class Route(NamedTuple):
    """A wire's way: down, along row gap `leave`, down column gap `channel`, along row gap `arrive`, down.

    Without a channel it runs along `leave` only; without that it is a straight line. `leaving` and `entering`
    are where it touches its boxes, counted from their middle, in pixels.
    """

    net: Net
    leaving: float
    entering: float
    leave: int = NOWHERE
    channel: int = NOWHERE
    arrive: int = NOWHERE


def routes_of(boxes: Sequence[Box], columns: Sequence[int], wires: Sequence[Wire]) -> list[Route]:
    """A route for every wire."""
    finder = _Finder(boxes, columns)
    entering = _entries(boxes, columns, wires)
    routes: dict[int, Route] = {}
    # What is short and in line has the first choice: it becomes the spine that people follow.
    order = sorted(
        range(len(wires)),
        key=lambda n: (not wires[n].base, boxes[wires[n].target].row - boxes[wires[n].source].row, n),
    )
    for number in order:
        routes[number] = finder.route(wires[number], entering[number])
    return [routes[number] for number in range(len(wires))]


def _entries(boxes: Sequence[Box], columns: Sequence[int], wires: Sequence[Wire]) -> dict[int, float]:
    """Where each wire enters its target: a base in the middle, others at the side they come from."""
    by_target: dict[int, list[int]] = {}
    for number, wire in enumerate(wires):
        by_target.setdefault(wire.target, []).append(number)
    entering: dict[int, float] = {}
    for target, numbers in by_target.items():
        column = columns[target]
        middle = next((n for n in numbers if wires[n].base and columns[wires[n].source] == column), None)
        if middle is None:
            middle = next((n for n in numbers if wires[n].base), None)
        rest = sorted((n for n in numbers if n != middle), key=lambda n: columns[wires[n].source])
        left = [n for n in rest if columns[wires[n].source] < column]
        right = [n for n in rest if columns[wires[n].source] >= column]
        most = max(len(left), len(right), 1)
        step = min(PORT_PX, (boxes[target].width / 2 - _PORT_MARGIN_PX) / most)
        if middle is not None:
            entering[middle] = 0.0
        entering.update((n, -step * place) for place, n in enumerate(reversed(left), 1))
        entering.update((n, step * place) for place, n in enumerate(right, 1))
    return entering


class _Finder:
    """Finds routes one after the other, and remembers which cells are spoken for."""

    def __init__(self, boxes: Sequence[Box], columns: Sequence[int]) -> None:
        self._boxes = boxes
        self._columns = columns
        self._boxed = {(columns[number], box.row) for number, box in enumerate(boxes)}
        self._running: dict[tuple[int, int], Net] = {}  # cells without a box that a net runs down through
        self._channels: dict[Net, list[int]] = {}

    def route(self, wire: Wire, entering: float) -> Route:
        """The way with the fewest bends that is still free."""
        net = (wire.source, wire.base)
        leaving = 0.0 if wire.base else PORT_PX
        first, last = self._boxes[wire.source].row, self._boxes[wire.target].row
        source, target = self._columns[wire.source], self._columns[wire.target]
        if self._run(net, source, first + 1, last):
            if source == target and abs(leaving - entering) < 1:
                return Route(net, leaving, entering)
            return Route(net, leaving, entering, leave=last)
        if self._run(net, target, first + 1, last):
            return Route(net, leaving, entering, leave=first + 1)
        channel = self._channel(net, source, target)
        return Route(net, leaving, entering, leave=first + 1, channel=channel, arrive=last)

    def _run(self, net: Net, column: int, first: int, end: int) -> bool:
        """Speak for a column's cells from row `first` to before `end`, if all of them are free for this net."""
        for row in range(first, end):
            if (column, row) in self._boxed or self._running.get((column, row), net) != net:
                return False
        self._running.update(((column, row), net) for row in range(first, end))
        return True

    def _channel(self, net: Net, source: int, target: int) -> int:
        """The gap beside the target where the wire comes from; one that the net is in already, if it is as near."""
        wished = target if source < target else target + 1
        known = self._channels.setdefault(net, [])
        for channel in known:
            if channel in {target, target + 1}:
                return channel
        known.append(wished)
        return wished
