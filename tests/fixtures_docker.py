"""A real Docker engine of a test's own, for what is handed to one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Docker", "serve_docker"]

_READY_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """A daemon that is up. `environment`: what the program `docker` finds it by."""

    program: str
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """The standard output of a command that must succeed."""
        return run_tool([self.program, *arguments], env=self.environment)


@contextmanager
def serve_docker(flags: Sequence[str] = ()) -> Iterator[Docker]:
    """Runs until the end of the `with` block, with no image and no network; skips where it cannot be started."""
    program, daemon = require_tool("docker"), require_tool("dockerd")
    if os.geteuid():
        pytest.skip("a Docker engine of one's own needs root")
    with tempfile.TemporaryDirectory(prefix="llb-docker-", ignore_cleanup_errors=True) as folder:  # sockets: short
        host = f"unix://{folder}/docker.sock"
        places = [
            f"--data-root={folder}/data",
            f"--exec-root={folder}/run",
            f"--pidfile={folder}/pid",
            f"--host={host}",
        ]
        log = Path(folder, "log")
        with log.open("wb") as said:
            command = [daemon, *places, "--bridge=none", "--iptables=false", "--ip-forward=false", *flags]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        docker = Docker(program=program, environment={"DOCKER_HOST": host, "DOCKER_CONFIG": folder})
        try:
            _wait(docker, process, log)
            yield docker
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
            shutil.rmtree(f"{folder}/data", ignore_errors=True)


def _wait(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    environment = {**os.environ, **docker.environment}
    while subprocess.run([docker.program, "version"], env=environment, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").splitlines()[-1:]
            pytest.skip(f"the Docker engine does not start here: {''.join(last)[:300]}")
        time.sleep(0.2)
