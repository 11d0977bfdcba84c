"""What a reader may rely on, whatever the graph: nothing lies on anything else."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.llb.layout import LOOSE, Box, Layout, Rect, Wire, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[Wire]]:
    """Boxes in topological order, each below what it is wired to; some in frames."""
    boxes: list[Box] = []
    wires: list[Wire] = []
    for number in range(draw(st.integers(0, 25))):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=4, unique=True)) if number else []
        row = 1 + max((boxes[source].row for source in sources), default=-1) + draw(st.sampled_from((0, 0, 0, 1, 3)))
        boxes.append(
            Box(
                row=row,
                width=draw(st.sampled_from((120.0, 180.0, 240.0))),
                height=draw(st.sampled_from((28.0, 60.0))),
                frame=draw(st.integers(LOOSE, 3)),
            )
        )
        bases = draw(st.integers(0, 2))
        wires += [Wire(source=source, target=number, base=place < bases) for place, source in enumerate(sources)]
    return boxes, wires


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def pieces(layout: Layout, wire: int) -> list[Rect]:
    """A wire's straight pieces, one pixel wide, without the pixels at which it touches its boxes."""
    corners = list(layout.wires[wire])
    corners[0] = (corners[0][0], corners[0][1] + 1)
    corners[-1] = (corners[-1][0], corners[-1][1] - 1)
    return [
        Rect(min(a[0], b[0]) - 0.4, min(a[1], b[1]) - 0.4, abs(a[0] - b[0]) + 0.8, abs(a[1] - b[1]) + 0.8)
        for a, b in pairwise(corners)
    ]


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_box_lies_on_another_and_no_wire_on_a_box(graph: tuple[list[Box], list[Wire]]) -> None:
    layout = lay_out(*graph)
    assert not any(overlap(one, other) for one, other in combinations(layout.boxes, 2))
    for wire in range(len(graph[1])):
        assert not any(overlap(piece, box) for piece in pieces(layout, wire) for box in layout.boxes)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_a_frame_holds_its_boxes_and_nothing_else(graph: tuple[list[Box], list[Wire]]) -> None:
    boxes, _ = graph
    layout = lay_out(*graph)
    assert layout.frames.keys() == {box.frame for box in boxes} - {LOOSE}
    assert not any(overlap(one, other) for one, other in combinations(layout.frames.values(), 2))
    for box, rect in zip(boxes, layout.boxes, strict=True):
        for number, frame in layout.frames.items():
            assert overlap(frame, rect) == (number == box.frame)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_everything_is_inside_and_wires_are_made_of_level_and_upright_pieces(
    graph: tuple[list[Box], list[Wire]],
) -> None:
    layout = lay_out(*graph)
    for rect in (*layout.boxes, *layout.frames.values()):
        assert rect.x >= 0
        assert rect.y >= 0
        assert rect.x + rect.width <= layout.width
        assert rect.y + rect.height <= layout.height
    for corners in layout.wires:
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in corners)


def test_two_wires_that_swap_sides_in_one_gap_use_tracks_of_their_own() -> None:
    boxes = [Box(row=row, width=100, height=30) for row in (0, 0, 1, 1)]
    wires = [Wire(source=0, target=2), Wire(source=1, target=3), Wire(source=0, target=3, base=False)]
    crossed = [Wire(source=0, target=3, base=False), Wire(source=1, target=2, base=False)]
    layout = lay_out(boxes, wires + crossed[1:])
    levels = {corners[1][1] for corners in layout.wires if len(corners) == 4}
    assert len(levels) == 2


def test_boxes_that_grow_out_of_each_other_stand_in_a_column() -> None:
    boxes = [Box(row=row, width=100, height=30) for row in range(5)]
    wires = [Wire(source=row, target=row + 1) for row in range(4)]
    layout = lay_out(boxes, wires)
    assert {rect.x for rect in layout.boxes} == {layout.boxes[0].x}
    assert all(len(corners) == 2 for corners in layout.wires)


def test_nothing_has_a_layout_too() -> None:
    layout = lay_out([], [])
    assert (layout.boxes, layout.wires, dict(layout.frames)) == ((), (), {})
    assert layout.width > 0
