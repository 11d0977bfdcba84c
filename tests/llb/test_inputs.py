"""What a vertex grows out of, and what it only reads."""

from __future__ import annotations

import pytest
from llbuild.llb import (
    BuildOp,
    DiffOp,
    Edge,
    ExecOp,
    FileCopy,
    FileOp,
    FileStep,
    MergeOp,
    Mount,
    MountType,
    Op,
    PassthroughOp,
    SourceOp,
    Vertex,
    base_inputs,
    make_vertex,
)

SOURCE = make_vertex(SourceOp(identifier="local://context"))
COPY = FileCopy(src="/a", dest="/b")


def vertex(op: Op, inputs: int) -> Vertex:
    return make_vertex(op, tuple(Edge(SOURCE.digest, number) for number in range(inputs)))


@pytest.mark.parametrize(
    ("op", "inputs", "base"),
    [
        (SourceOp(identifier="local://context"), 0, set()),
        (ExecOp(args=("make",), mounts=(Mount(dest="/", input=0),)), 1, {0}),
        (ExecOp(args=("make",), mounts=(Mount(dest="/", input=-1, mount_type=MountType.BIND),)), 0, set()),
        (ExecOp(args=("make",), mounts=(Mount(dest="/", input=1), Mount(dest="/m", input=0, readonly=True))), 2, {1}),
        (FileOp(steps=(FileStep(action=COPY, input=0, secondary_input=1),)), 2, {0}),
        (FileOp(steps=(FileStep(action=COPY, input=-1, secondary_input=0),)), 1, set()),
        # the second step's input is the first one's result
        (FileOp(steps=(FileStep(action=COPY, input=1, secondary_input=0), FileStep(action=COPY, input=2))), 2, {1}),
        (MergeOp(inputs=(0, 1)), 2, {0, 1}),
        (DiffOp(lower=0, upper=1), 2, {1}),
        (BuildOp(builder=0), 1, {0}),
        (PassthroughOp(outputs=(0,)), 2, {0, 1}),
    ],
)
def test_the_base_is_what_the_result_grows_out_of(op: Op, inputs: int, base: set[int]) -> None:
    assert base_inputs(vertex(op, inputs)) == base
