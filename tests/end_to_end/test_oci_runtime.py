"""Whole builds whose steps an OCI runtime runs."""

from __future__ import annotations

import os
import shutil
import stat
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


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_runtime_makes_the_same_layers_as_the_sandbox(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, runtime: str
) -> None:
    require_tool(runtime)
    folder = context(DOCKERFILE)
    trees = []
    for name, flags in (("sandbox", ()), (runtime, ("--oci-runtime", runtime))):
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
@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_device_node_of_an_image_does_not_open(
    bare_llbuild: Llbuild, context: Callable[..., Path], busybox_rootfs: Path, tmp_path: Path, runtime: str
) -> None:
    """crun forgets `nodev` when it mounts the root; a hook puts it back."""
    require_tool(runtime)
    shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    os.mknod(tmp_path / "rootfs/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    bare_llbuild("import", tmp_path / "rootfs", "planted")
    outcome = bare_llbuild.build(
        "--oci-runtime", runtime, context("FROM planted\nRUN test -c /zero && ! head -c 1 /zero 2>&1\n")
    )
    assert b"Permission denied" in outcome.step("head").output
