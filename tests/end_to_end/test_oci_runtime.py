"""Whole builds whose steps an OCI runtime runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """\
FROM busybox
WORKDIR /work
RUN echo one > file && mkdir -p deep/er && ln file deep/link && ln -s file soft
RUN --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/t echo two >> file && rm soft && touch /t/gone
USER 0:0
RUN ["busybox", "wc", "-l", "file"]
"""


def test_runc_makes_the_same_layers_as_the_sandbox(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    require_tool("runc")
    folder = context(DOCKERFILE)
    trees = []
    for name, flags in (("sandbox", ()), ("runc", ("--oci-runtime", "runc"))):
        archive = tmp_path / f"{name}.tar"
        outcome = llbuild.build("--no-cache", *flags, "-o", f"type=oci,dest={archive}", folder)
        assert outcome.step("wc").output.split() == [b"2", b"file"]
        trees.append([sorted(layer.members) for layer in read_image(archive).layers])
    assert trees[0] == trees[1]


def test_what_runc_did_is_a_hit_for_the_sandbox(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    require_tool("runc")
    folder = context("FROM busybox\nRUN echo once > /x\n")
    assert llbuild.build("--oci-runtime", "runc", folder).ran()
    assert llbuild.build(folder).ran() == []


def test_a_failing_step_is_the_dockerfiles_fault_and_a_missing_runtime_the_machines(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    require_tool("runc")
    failed = llbuild("build", "--oci-runtime", "runc", context("FROM busybox\nRUN exit 7\n"), exit_code=1)
    assert "exited with code 7" in failed.stderr
    missing = llbuild("build", "--oci-runtime", "nosuch", context("FROM busybox\nRUN true\n"), exit_code=1)
    assert "no OCI runtime nosuch was found" in missing.stderr
    assert "install runc" in missing.stderr


@pytest.mark.needs_root
def test_crun_is_refused_where_it_would_open_device_nodes(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    require_tool("crun")
    assert os.geteuid() == 0
    refused = llbuild("build", "--oci-runtime", "crun", context("FROM busybox\nRUN true\n"), exit_code=1)
    assert "device nodes" in refused.stderr
    assert "use runc" in refused.stderr
