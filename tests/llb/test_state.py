"""The SDK: what each call makes of a state."""

from __future__ import annotations

import pytest
from llbuild.llb import DiffOp, ExecOp, FileCopy, FileMkdir, FileOp, MergeOp, State, diff, image, local, merge, scratch


def test_a_state_never_changes() -> None:
    base = image("busybox")
    base.run("rm -rf /")
    base.add_env("A", "1").dir("/x").user("app")
    assert (base.env, base.cwd, base.user_name) == ((), "/", "")


def test_a_variable_set_again_moves_to_the_end() -> None:
    state = scratch().add_env("A", "1").add_env("B", "2").add_env("A", "3")
    assert state.env == (("B", "2"), ("A", "3"))


@pytest.mark.parametrize(
    ("steps", "want"),
    [(("src",), "/src"), (("/a", "b"), "/a/b"), (("/a", ".."), "/"), (("/a/./b//c",), "/a/b/c"), (("..",), "/")],
)
def test_directories_are_relative_to_the_one_before(steps: tuple[str, ...], want: str) -> None:
    state = scratch()
    for step in steps:
        state = state.dir(step)
    assert state.cwd == want


def test_run_hands_on_the_surroundings() -> None:
    state = image("busybox").add_env("A", "1").dir("/w").user("app").run(["ls", "-l"]).root
    (vertex,) = [vertex for vertex in state.marshal().vertices if isinstance(vertex.op, ExecOp)]
    assert isinstance(vertex.op, ExecOp)
    assert (vertex.op.args, vertex.op.env, vertex.op.cwd, vertex.op.user) == (("ls", "-l"), ("A=1",), "/w", "app")
    assert state.cwd == "/w"


def test_every_mount_is_an_output() -> None:
    base = image("busybox")
    process = base.run("make", mounts={"/out": scratch(), "/src": local("context")})
    definition = merge([process.root, process.mount("/out")]).marshal()
    (vertex,) = [vertex for vertex in definition.vertices if isinstance(vertex.op, ExecOp)]
    assert isinstance(vertex.op, ExecOp)
    assert [(mount.dest, mount.input, mount.output) for mount in vertex.op.mounts] == [
        ("/", 0, 0),
        ("/out", -1, 1),
        ("/src", 1, 2),
    ]
    with pytest.raises(KeyError):
        process.mount("/nowhere")


def test_file_actions_chain_into_one_op() -> None:
    copy = FileCopy(src="/a", dest="/w/")
    state = image("busybox").file(FileMkdir(path="/w", mode=0o755), copy, sources=[local("context")])
    op = state.marshal().vertices[-1].op
    assert isinstance(op, FileOp)
    assert [(step.input, step.secondary_input, step.output) for step in op.steps] == [(0, -1, -1), (2, 1, 0)]


def test_merging_less_than_two_filesystems_makes_no_vertex() -> None:
    base = image("busybox")
    assert merge([base, scratch()]).output == base.output
    assert merge([]).output is None
    assert merge([scratch()]).marshal().root is None


def test_merge_and_diff_number_their_inputs() -> None:
    base = image("busybox")
    changed = base.run("touch /x").root
    delta = diff(base, changed)
    vertices = merge([image("alpine"), delta]).marshal().vertices
    assert [vertex.op for vertex in vertices if isinstance(vertex.op, MergeOp | DiffOp)] == [
        DiffOp(lower=0, upper=1),
        MergeOp(inputs=(0, 1)),
    ]
    assert diff(State(), changed).marshal().vertices[-1].op == DiffOp(lower=-1, upper=0)
