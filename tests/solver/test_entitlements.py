"""What a definition may ask for only when it is allowed."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError, LlbuildError
from llbuild.llb import ExecOp, Metadata, Mount, NetMode, SecurityMode, State, add_vertex, image
from llbuild.solver import check_entitlements
from llbuild.span import Span
from llbuild.values import replace

PLAIN = ExecOp(args=("make",), mounts=(Mount(dest="/", input=0, output=0),))
HOST = replace(PLAIN, network=NetMode.HOST)
INSECURE = replace(PLAIN, security=SecurityMode.INSECURE)


def running(op: ExecOp, metadata: Metadata | None = None) -> State:
    base = image("busybox")
    assert base.output is not None
    return base.with_output(add_vertex(op, [base.output], metadata=metadata))


@pytest.mark.parametrize(
    ("op", "allowed"),
    [
        (PLAIN, ()),
        (replace(PLAIN, network=NetMode.NONE), ()),
        (HOST, ("network.host",)),
        (INSECURE, ("security.insecure",)),
        (replace(INSECURE, network=NetMode.HOST), ("network.host", "security.insecure")),
    ],
)
def test_what_is_allowed_passes(op: ExecOp, allowed: tuple[str, ...]) -> None:
    check_entitlements([running(op).marshal()], allowed)


@pytest.mark.parametrize(
    ("op", "allowed", "message", "hint"),
    [
        (HOST, ("security.insecure",), "the step wants the network of the machine", "network.host"),
        (INSECURE, ("network.host",), "the step wants to run without confinement", "security.insecure"),
    ],
)
def test_what_is_not_allowed_is_refused(op: ExecOp, allowed: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(LlbuildError) as caught:
        check_entitlements([running(op).marshal()], allowed)
    assert message in caught.value.message
    assert caught.value.hint == f"if you trust it, allow it with --allow {hint}"


def test_the_place_of_the_step_is_told() -> None:
    here = Span(path="Dockerfile", line=2)
    with pytest.raises(DockerfileError) as caught:
        check_entitlements([running(HOST, Metadata(spans=(here,))).marshal()], ())
    assert caught.value.at == here
