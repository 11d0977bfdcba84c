"""From the grid to pixels: how wide columns, rows and the gaps between them must be, and what stands where."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from ...values import frozen
from .columns import columns_of
from .routes import NOWHERE, routes_of
from .shapes import LOOSE, Layout, Rect
from .tracks import Lane, assign_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .routes import Net, Route
    from .shapes import Box, Point, Wire

__all__ = ["FRAME_HEAD_PX", "lay_out"]

FRAME_HEAD_PX = 24.0  # room for a frame's name above its first box
_FRAME_SIDE_PX = 14.0
_TRACK_PX = 9.0
_ROW_GAP_PX = 26.0
_COLUMN_GAP_PX = 2 * _FRAME_SIDE_PX + 8.0
_MARGIN_PX = 16.0


@frozen
class _Gaps:
    """The gaps of one direction: the nets' tracks in each, by gap, and the number of tracks."""

    tracks: tuple[dict[Net, int], ...]
    counts: tuple[int, ...]


def lay_out(boxes: Sequence[Box], wires: Sequence[Wire]) -> Layout:
    """Place everything. boxes: in topological order, so that wires lead from earlier to later ones and lower rows."""
    columns = columns_of(boxes, wires)
    routes = routes_of(boxes, columns, wires)
    horizontal, vertical = _lanes(boxes, columns, wires, routes)
    across, down = _settled(horizontal), _settled(vertical)
    frames = _frames(boxes, columns)
    closing = {frame.last_row for frame in frames.values()}
    xs = _column_edges(boxes, columns, down)
    ys = _row_edges(boxes, frames, across)
    placed = [_rect(box, column, xs, ys) for box, column in zip(boxes, columns, strict=True)]

    def track_y(gap: int, net: Net) -> float:
        foot = _FRAME_SIDE_PX if gap - 1 in closing else 0.0
        return ys[gap - 1][1] + foot + _ROW_GAP_PX / 2 + across.tracks[gap][net] * _TRACK_PX

    def track_x(gap: int, net: Net) -> float:
        left = xs[gap - 1][1] if gap else 0.0
        return left + _COLUMN_GAP_PX / 2 + down.tracks[gap][net] * _TRACK_PX

    lines = [
        _line(placed[wire.source], placed[wire.target], route, track_x, track_y)
        for wire, route in zip(wires, routes, strict=True)
    ]
    outlines = {number: _outline(frame, xs, ys) for number, frame in frames.items()}
    return Layout(
        width=(xs[-1][1] if xs else 0.0) + _gap_px(down.counts[-1], _COLUMN_GAP_PX),
        height=(ys[-1][1] if ys else 0.0) + (_FRAME_SIDE_PX if closing else 0.0) + _MARGIN_PX,
        boxes=tuple(placed),
        frames=outlines,
        wires=tuple(lines),
    )


def _lanes(
    boxes: Sequence[Box], columns: Sequence[int], wires: Sequence[Wire], routes: Sequence[Route]
) -> tuple[list[Lane], list[Lane]]:
    """What the routes need of every row gap and of every column gap."""
    rows = 1 + max((box.row for box in boxes), default=-1)
    horizontal = [Lane() for _ in range(rows + 1)]
    vertical = [Lane() for _ in range(2 + max(columns, default=-1))]
    leaving: dict[tuple[int, int], list[tuple[float, Net]]] = {}
    for wire, route in zip(wires, routes, strict=True):
        start = _place(columns[wire.source], route.leaving)
        end = _place(columns[wire.target], route.entering)
        if route.leave == NOWHERE:
            continue
        if route.channel == NOWHERE:
            horizontal[route.leave].need(route.net, start, end)
        else:
            horizontal[route.leave].need(route.net, start, route.channel - 0.5)
            vertical[route.channel].need(route.net, route.leave, route.arrive)
            horizontal[route.arrive].need(route.net, route.channel - 0.5, end)
        leaving.setdefault((route.leave, columns[wire.source]), []).append((start, route.net))
    for wire, route in zip(wires, routes, strict=True):
        if route.leave == NOWHERE:
            continue
        gap = route.leave if route.channel == NOWHERE else route.arrive
        end = _place(columns[wire.target], route.entering)
        for start, before in leaving.get((gap, columns[wire.target]), ()):
            if abs(start - end) < 1e-6:
                horizontal[gap].put_after(route.net, before)
    return horizontal, vertical


def _place(column: int, port: float) -> float:
    """A box's port on an axis where columns are 1 apart."""
    return column + port / 1000


def _settled(lanes: Sequence[Lane]) -> _Gaps:
    found = [assign_tracks(lane) for lane in lanes]
    return _Gaps(tracks=tuple(tracks for tracks, _ in found), counts=tuple(number for _, number in found))


@frozen
class _Frame:
    """A frame's part of the grid, last row and column included."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


def _frames(boxes: Sequence[Box], columns: Sequence[int]) -> dict[int, _Frame]:
    members: dict[int, list[int]] = {}
    for number, box in enumerate(boxes):
        if box.frame != LOOSE:
            members.setdefault(box.frame, []).append(number)
    return {
        frame: _Frame(
            first_row=min(boxes[number].row for number in numbers),
            last_row=max(boxes[number].row for number in numbers),
            first_column=min(columns[number] for number in numbers),
            last_column=max(columns[number] for number in numbers),
        )
        for frame, numbers in members.items()
    }


def _gap_px(tracks: int, least: float) -> float:
    return least + max(0, tracks - 1) * _TRACK_PX


def _column_edges(boxes: Sequence[Box], columns: Sequence[int], down: _Gaps) -> list[tuple[float, float]]:
    """Left and right edge of every column."""
    widths = [0.0] * (1 + max(columns, default=-1))
    for box, column in zip(boxes, columns, strict=True):
        widths[column] = max(widths[column], box.width)
    gaps = [_gap_px(count, _COLUMN_GAP_PX) for count in down.counts]
    ends = list(accumulate(gap + width for gap, width in zip(gaps, widths, strict=False)))
    return [(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _row_edges(boxes: Sequence[Box], frames: dict[int, _Frame], across: _Gaps) -> list[tuple[float, float]]:
    """Upper and lower edge of every row."""
    heights = [0.0] * (1 + max((box.row for box in boxes), default=-1))
    for box in boxes:
        heights[box.row] = max(heights[box.row], box.height)
    opening = {frame.first_row for frame in frames.values()}
    closed_above = {frame.last_row + 1 for frame in frames.values()}
    edges: list[tuple[float, float]] = []
    y = 0.0
    for row, height in enumerate(heights):
        gap = _gap_px(across.counts[row], _ROW_GAP_PX) if row else _MARGIN_PX
        y += gap + (_FRAME_SIDE_PX if row in closed_above else 0.0) + (FRAME_HEAD_PX if row in opening else 0.0)
        edges.append((y, y + height))
        y += height
    return edges


def _rect(box: Box, column: int, xs: Sequence[tuple[float, float]], ys: Sequence[tuple[float, float]]) -> Rect:
    left, right = xs[column]
    return Rect((left + right - box.width) / 2, ys[box.row][0], box.width, box.height)


def _outline(frame: _Frame, xs: Sequence[tuple[float, float]], ys: Sequence[tuple[float, float]]) -> Rect:
    left = xs[frame.first_column][0] - _FRAME_SIDE_PX
    right = xs[frame.last_column][1] + _FRAME_SIDE_PX
    top = ys[frame.first_row][0] - FRAME_HEAD_PX
    bottom = ys[frame.last_row][1] + _FRAME_SIDE_PX
    return Rect(left, top, right - left, bottom - top)


def _line(
    source: Rect,
    target: Rect,
    route: Route,
    track_x: Callable[[int, Net], float],
    track_y: Callable[[int, Net], float],
) -> tuple[Point, ...]:
    start = (source.x + source.width / 2 + route.leaving, source.y + source.height)
    end = (target.x + target.width / 2 + route.entering, target.y)
    if route.leave == NOWHERE:
        return (start, end)
    y = track_y(route.leave, route.net)
    if route.channel == NOWHERE:
        return (start, (start[0], y), (end[0], y), end)
    x, below = track_x(route.channel, route.net), track_y(route.arrive, route.net)
    return (start, (start[0], y), (x, y), (x, below), (end[0], below), end)
