"""Rows of a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.llb import Definition, Metadata, State, image, local, rows_of, scratch

if TYPE_CHECKING:
    from llbuild.digest import Digest


def named(definition: Definition) -> dict[str, Digest]:
    return {said.name: digest for digest, said in definition.metadata}


def step(state: State, name: str) -> State:
    return state.run(name, metadata=Metadata(name=name)).root


def test_every_vertex_stands_below_its_inputs() -> None:
    base = image("docker.io/library/busybox:latest")
    other = step(step(base, "other"), "more")
    definition = step(step(base, "one").copy(other, "/a", "/a"), "two").marshal()
    rows = rows_of(definition, {})
    for vertex in definition.vertices:
        assert all(rows[edge.vertex] < rows[vertex.digest] for edge in vertex.inputs)
    assert set(rows.values()) == set(range(max(rows.values()) + 1))


def test_what_can_be_done_early_but_is_built_upon_late_stands_late() -> None:
    base = image("docker.io/library/busybox:latest")
    slow = step(step(step(base, "a"), "b"), "c")
    definition = step(base, "early").copy(slow, "/x", "/x").marshal()
    names, rows = named(definition), rows_of(definition, {})
    assert rows[names["early"]] == rows[names["c"]]


def test_a_source_stands_just_above_its_first_reader() -> None:
    base = image("docker.io/library/busybox:latest")
    definition = step(step(base, "a"), "b").copy(local("context"), "/x", "/x").marshal()
    names, rows = named(definition), rows_of(definition, {})
    assert rows[names["local://context"]] == rows[names["b"]]


def test_hundreds_side_by_side_are_drawn_in_several_rows() -> None:
    base = image("docker.io/library/busybox:latest")
    whole = scratch()
    for number in range(100):
        whole = whole.copy(step(base, f"make {number}"), "/x", f"/{number}")
    definition = whole.marshal()
    rows = rows_of(definition, {said_of: str(place) for place, said_of in enumerate(named(definition).values())})
    widths = [list(rows.values()).count(row) for row in set(rows.values())]
    assert max(widths) <= 17  # a source takes no room from steps


def test_an_empty_graph_has_no_rows() -> None:
    assert rows_of(scratch().marshal(), {}) == {}
