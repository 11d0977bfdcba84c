"""Numbers of inputs and outputs: what an op may say, and what is refused before anything is performed."""

from __future__ import annotations

import pytest
from llbuild.errors import DefinitionError
from llbuild.llb import (
    BuildOp,
    ChownOptions,
    Definition,
    DiffOp,
    Edge,
    ExecOp,
    FileCopy,
    FileMkdir,
    FileOp,
    FileStep,
    MergeOp,
    Mount,
    NamedUser,
    Op,
    PassthroughOp,
    SourceOp,
    check_links,
    image,
    make_vertex,
    merge,
    scratch,
)
from llbuild.solver.graph import load

BASE = make_vertex(SourceOp(identifier="docker-image://base"))
MKDIR = FileMkdir(path="/a", mode=0o755)


def check(op: Op, output: int = 0, source: int = 0) -> None:
    vertex = make_vertex(op, (Edge(BASE.digest, source),))
    check_links({BASE.digest: BASE, vertex.digest: vertex}, [Edge(vertex.digest, output)])


def exec_op(input_: int = 0, output: int = 0) -> ExecOp:
    return ExecOp(args=("a",), mounts=(Mount(dest="/", input=input_, output=output),))


def file_op(**numbers: int) -> FileOp:
    return FileOp(steps=(FileStep(action=MKDIR, input=0), FileStep(action=MKDIR, **{"output": 0, **numbers})))


@pytest.mark.parametrize(
    "op",
    [
        *(exec_op(), exec_op(-1), file_op(input=1), file_op(input=-1, secondary_input=0), MergeOp(inputs=(0, 0))),
        *(DiffOp(lower=-1, upper=0), BuildOp(builder=-1, inputs=(("a", 0),)), PassthroughOp(outputs=(0,))),
    ],
)
def test_numbers_of_what_is_there_are_fine(op: Op) -> None:
    check(op)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (exec_op(1), "the input of mount '/' of vertex blake3:[0-9a-f]+ is number 1, but there are 1"),
        (exec_op(-2), "is number -2"),
        (file_op(input=2), "the input of step 1 of vertex .* is number 2, but there are 2"),
        (file_op(secondary_input=9), "the second input of step 1"),
        (
            FileOp(
                steps=(
                    FileStep(
                        action=FileCopy(
                            src="/", dest="/", owner=ChownOptions(user=0, group=NamedUser(name="a", input=1))
                        ),
                        output=0,
                    ),
                )
            ),
            "the input with the users of step 0",
        ),
        (MergeOp(inputs=(0, 1)), "a part of"),
        (DiffOp(upper=1), "a side of"),
        (BuildOp(builder=0, inputs=(("a", 1),)), "an input of"),
        (PassthroughOp(outputs=(3,)), "an output of"),
    ],
)
def test_numbers_of_what_is_not_there_are_refused(op: Op, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        check(op)


@pytest.mark.parametrize(
    ("op", "output", "source"),
    [
        (exec_op(), 1, 0),
        (exec_op(output=-1), 0, 0),
        (file_op(output=2), 3, 0),
        (DiffOp(), 1, 0),
        (MergeOp(inputs=()), 0, 1),
    ],
)
def test_an_output_that_is_not_made_cannot_be_asked_for(op: Op, output: int, source: int) -> None:
    with pytest.raises(DefinitionError, match="asks for output"):
        check(op, output, source)


def test_a_root_that_is_missing_is_named() -> None:
    with pytest.raises(DefinitionError, match="the root is missing: no vertex blake3:"):
        check_links({}, [Edge(BASE.digest)])


def test_what_the_state_writes_holds_together() -> None:
    base = image("base")
    run = base.run("a", mounts={"/m": image("other"), "/n": scratch()})
    definition = merge([run.root.copy(run.mount("/m"), "/", "/x"), run.mount("/n")]).marshal()
    assert definition.root is not None
    check_links(definition.by_digest(), [definition.root])


def test_a_graph_with_numbers_that_make_no_sense_is_not_solved() -> None:
    vertex = make_vertex(exec_op(7), (Edge(BASE.digest),))
    with pytest.raises(DefinitionError, match="number 7"):
        load([Definition(vertices=(BASE, vertex), root=Edge(vertex.digest))])
