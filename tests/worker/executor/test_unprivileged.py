"""The whole suite again: as an ordinary user, whose processes run in a user namespace; and by OCI runtimes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from llbuild.tests.ordinary import run_pytest, run_tests
from llbuild.tests.tools import require_tool
from llbuild.tests.worker.executor.conftest import CHROOT, ENTER, EXECUTOR, IN_USERNS, RUNTIME
from llbuild.worker.userns import probe_namespaces


@pytest.mark.skipif(IN_USERNS, reason="inside a user namespace already")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("sandbox", "one"),
        ("sandbox", "ranges"),
        ("runc", "one"),
        ("runc", "ranges"),
        ("crun", "one"),
        ("crun", "ranges"),
    ],
)
@pytest.mark.usefixtures("busybox_rootfs")
def test_everything_works_as_an_ordinary_user(kind: str, ids: str) -> None:
    if kind != "sandbox":
        require_tool(kind)
    refused = probe_namespaces() if os.geteuid() else None
    if refused:
        pytest.skip(f"{refused.message}; {refused.hint}")
    said = run_tests([Path(__file__).parent], ids, {ENTER: "1", EXECUTOR: kind})
    assert "see test_unprivileged.py" not in said


@pytest.mark.skipif(IN_USERNS or RUNTIME is not None or CHROOT, reason="started by this very test, or one like it")
@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["runc", "crun", "chroot"])
def test_other_executors_do_the_same_as_the_sandbox(kind: str, tmp_path: Path) -> None:
    """What they do differently is marked at each test, with the reason."""
    prefix: list[str] = []
    if kind == "chroot":  # where a step can signal whatever it sees
        prefix = [require_tool("unshare"), "--pid", "--fork", "--mount-proc", "--kill-child"]
    else:
        require_tool(kind)
    words = ["-m", "not slow", "-k", "not trio", "--basetemp", str(tmp_path / "inner"), str(Path(__file__).parent)]
    run_pytest([*prefix, sys.executable], words, {EXECUTOR: kind})
