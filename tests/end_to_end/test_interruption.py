"""Ctrl-C and kill -9: nothing keeps running, nothing stays mounted, the store still works."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import processes_of, wait_for_end

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

ENDLESS = """
FROM busybox AS one
RUN echo under-way-1 && sleep 100001
FROM busybox AS two
RUN echo under-way-2 && (sleep 100002 & sleep 100003)
FROM busybox
COPY --from=one / /one
COPY --from=two / /two
"""


def wait_until_under_way(process: subprocess.Popen[bytes]) -> None:
    """Both steps have said something: their processes run."""
    assert process.stderr is not None
    said = b""
    while b"under-way-1\n" not in said or b"under-way-2\n" not in said:
        ready, _, _ = select.select([process.stderr], [], [], 60)
        assert ready, f"no sign of the steps\n{said.decode(errors='replace')}"
        chunk = os.read(process.stderr.fileno(), 65536)
        assert chunk, f"ended early\n{said.decode(errors='replace')}"
        said += chunk


@pytest.mark.parametrize(("signum", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_build_ends_at_once_and_leaves_nothing_running(
    llbuild: Llbuild, context: Callable[..., Path], signum: signal.Signals, exit_code: int
) -> None:
    with llbuild.start("build", "--progress=plain", "-t", "never", context(ENDLESS)) as process:
        wait_until_under_way(process)
        os.killpg(process.pid, signum)  # as a terminal does: the whole group
        _, stderr = wait_for_end(process, 15)
    assert process.returncode == exit_code, stderr.decode(errors="replace")
    assert b"Traceback" not in stderr
    assert processes_of(llbuild.root) == []
    assert not [line for line in llbuild.image_names() if "never" in line]
    llbuild.build("-t", "good", context("FROM busybox\nRUN echo good > /good\n"))
    assert llbuild("run", "good", "cat", "/good").stdout == "good\n"


def test_a_build_killed_outright_takes_its_steps_along_and_the_store_survives(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    with llbuild.start("build", "--progress=plain", "-t", "never", context(ENDLESS)) as process:
        wait_until_under_way(process)
        process.kill()
        wait_for_end(process, 15)  # its pipes close when the last process that holds them is gone
    llbuild.build("-t", "good", context("FROM busybox\nRUN echo good > /good\n"))
    assert llbuild("run", "good", "cat", "/good").stdout == "good\n"
    left = list((llbuild.root / "snapshots").glob("tmp-*"))
    assert left == []


def test_two_builds_share_one_state_folder(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo once > /once && sleep 0.3\n")
    with (
        llbuild.start("build", "--progress=plain", "-t", "a", folder) as first,
        llbuild.start("build", "--progress=plain", "-t", "b", folder) as second,
    ):
        for process in (first, second):
            _, stderr = wait_for_end(process, 60)
            assert process.returncode == 0, stderr.decode(errors="replace")
    for name in ("a", "b"):
        assert llbuild("run", name, "cat", "/once").stdout == "once\n"
