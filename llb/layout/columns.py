"""Which column each box stands in.

Boxes that grow out of each other stay in one column. A frame takes a rectangle of the grid that nothing else
enters. Blocks (a frame, or a column of loose boxes) are put one after the other, from the top row down, as near as
there is room to the mean of what they are connected with; then again, knowing where the others came to stand.
"""

from __future__ import annotations

from itertools import count, groupby
from typing import TYPE_CHECKING, NamedTuple

from .shapes import LOOSE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .shapes import Box, Wire

__all__ = ["columns_of"]

_ROUNDS = 4
_MANY_BLOCKS = 1500  # beyond, one more round costs a second and nobody sees the difference
_BASE_WEIGHT = 4.0


class _Block(NamedTuple):
    """A rectangle of the grid: its rows, its width in columns, and the columns of its boxes counted from its left."""

    first_row: int
    last_row: int
    width: int
    inside: Mapping[int, int]

    @property
    def rank(self) -> tuple[int, bool]:
        """Who chooses first: the upper ones; of one row, single boxes last, since they fit in anywhere."""
        return self.first_row, len(self.inside) == 1

    @property
    def mask(self) -> int:
        """The rows it takes, as bits."""
        return _rows_mask(self.first_row, self.last_row)


class _Pull(NamedTuple):
    """A wire as one of its blocks feels it: towards `other`, to be `shift` columns right of it."""

    other: int
    shift: int
    weight: float


def columns_of(boxes: Sequence[Box], wires: Sequence[Wire]) -> list[int]:
    """A column per box, from 0. No two boxes share a cell, and no box enters another frame's rectangle.

    boxes: in topological order.
    """
    blocks = list(_blocks(boxes, wires))
    home = {box: number for number, block in enumerate(blocks) for box in block.inside}
    pulls = _pulls(blocks, home, wires)
    best = lefts = _arrange(blocks, pulls, {})
    shortest = _length(lefts, pulls)
    for _ in range(_ROUNDS if len(blocks) < _MANY_BLOCKS else 0):
        lefts = _arrange(blocks, pulls, lefts)
        length = _length(lefts, pulls)
        if length < shortest:
            best, shortest = lefts, length
    columns = [best[home[box]] + blocks[home[box]].inside[box] for box in range(len(boxes))]
    dense = {column: number for number, column in enumerate(sorted(set(columns)))}
    return [dense[column] for column in columns]


def _blocks(boxes: Sequence[Box], wires: Sequence[Wire]) -> Iterable[_Block]:
    framed: dict[int, list[list[int]]] = {}
    for chain in _chains(boxes, wires):
        frame = boxes[chain[0]].frame
        if frame == LOOSE:
            yield _Block(boxes[chain[0]].row, boxes[chain[-1]].row, 1, dict.fromkeys(chain, 0))
        else:
            framed.setdefault(frame, []).append(chain)
    for chains in framed.values():
        yield _framed(boxes, chains)


def _chains(boxes: Sequence[Box], wires: Sequence[Wire]) -> list[list[int]]:
    """Boxes that grow out of each other, within a frame or outside of all."""
    grown_from: dict[int, int] = {}
    for wire in wires:
        if wire.base and boxes[wire.source].frame == boxes[wire.target].frame:
            grown_from.setdefault(wire.target, wire.source)
    chains: list[list[int]] = []
    ending: dict[int, list[int]] = {}  # by last box
    for box in range(len(boxes)):
        chain = ending.pop(grown_from.get(box, -1), None)
        if chain is None:
            chain = []
            chains.append(chain)
        chain.append(box)
        ending[box] = chain
    return chains


def _framed(boxes: Sequence[Box], chains: list[list[int]]) -> _Block:
    """A frame's chains side by side, or below each other where they fit into one column."""
    taken: list[int] = []  # rows, as bits, by column
    inside: dict[int, int] = {}
    for chain in sorted(chains, key=lambda one: boxes[one[0]].row):
        mask = _rows_mask(boxes[chain[0]].row, boxes[chain[-1]].row)
        column = next((column for column, rows in enumerate(taken) if not rows & mask), len(taken))
        if column == len(taken):
            taken.append(0)
        taken[column] |= mask
        inside.update(dict.fromkeys(chain, column))
    rows = [boxes[box].row for box in inside]
    return _Block(min(rows), max(rows), len(taken), inside)


def _rows_mask(first: int, last: int) -> int:
    return ((1 << (last - first + 1)) - 1) << first


def _pulls(blocks: Sequence[_Block], home: Mapping[int, int], wires: Sequence[Wire]) -> list[list[_Pull]]:
    pulls: list[list[_Pull]] = [[] for _ in blocks]
    for wire in wires:
        source, target = home[wire.source], home[wire.target]
        if source != target:
            shift = blocks[source].inside[wire.source] - blocks[target].inside[wire.target]
            weight = _BASE_WEIGHT if wire.base else 1.0
            pulls[target].append(_Pull(source, shift, weight))
            pulls[source].append(_Pull(target, -shift, weight))
    return pulls


def _arrange(blocks: Sequence[_Block], pulls: Sequence[Sequence[_Pull]], guess: Mapping[int, int]) -> dict[int, int]:
    """The left column of each block, given where the others might come to stand."""
    taken: dict[int, int] = {}  # rows, as bits, by column
    lefts: dict[int, int] = {}
    order = sorted(range(len(blocks)), key=lambda number: blocks[number].rank)
    for _, level in groupby(order, key=lambda number: blocks[number].rank):
        for number, wished in _spread(blocks, {number: _wish(pulls[number], lefts, guess) for number in level}):
            block = blocks[number]
            left = _nearest(taken, block, round(wished))
            lefts[number] = left
            for column in range(left, left + block.width):
                taken[column] = taken.get(column, 0) | block.mask
    return lefts


def _wish(pulls: Iterable[_Pull], lefts: Mapping[int, int], guess: Mapping[int, int]) -> float:
    total = weight = 0.0
    for pull in pulls:
        left = lefts.get(pull.other, guess.get(pull.other))
        if left is not None:
            total += (left + pull.shift) * pull.weight
            weight += pull.weight
    return total / weight if weight else 0.0


def _spread(blocks: Sequence[_Block], wishes: Mapping[int, float]) -> list[tuple[int, float]]:
    """Those of one row that want to be in the same place stand around it in their own order."""
    spread = []
    by_wish = sorted(wishes, key=lambda number: (round(wishes[number]), number))
    for wished, same in groupby(by_wish, key=lambda number: round(wishes[number])):
        together = list(same)
        left = wished - (sum(blocks[number].width for number in together) - 1) / 2
        for number in together:
            spread.append((number, left))
            left += blocks[number].width
    return spread


def _nearest(taken: Mapping[int, int], block: _Block, wished: int) -> int:
    mask = block.mask
    for distance in count():
        for left in (wished + distance, wished - distance):
            if not any(taken.get(column, 0) & mask for column in range(left, left + block.width)):
                return left
    raise AssertionError("the grid has no end")


def _length(lefts: Mapping[int, int], pulls: Sequence[Sequence[_Pull]]) -> float:
    return sum(
        abs(lefts[number] - lefts[pull.other] - pull.shift) * pull.weight
        for number, felt in enumerate(pulls)
        for pull in felt
    )
