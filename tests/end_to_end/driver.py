"""Driving the real command line: start it as a user would, read what it says, look at what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from llbuild.tests.ordinary import python_for
from llbuild.tests.tools import ROOT

_ENTRY = "from llbuild.cli.main import program; program()"
_PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
_TIMEOUT_S = 240
_INSTRUCTION = re.compile(r"\[[^]]*\d/\d+\] (?!FROM )|(?!\[|exporting|importing|loading|pushing)")


@dataclass(slots=True, kw_only=True)
class Step:
    """One vertex of a build, put together from its progress lines."""

    digest: str
    name: str = ""
    started: datetime | None = None
    completed: datetime | None = None
    cached: bool = False
    error: str = ""
    output: bytes = b""

    @property
    def ran(self) -> bool:
        return self.started is not None and not self.cached


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """A finished command."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def __repr__(self) -> str:
        text = "".join(f"{line}\n" for line in self.stderr.splitlines() if not line.startswith("{"))
        return (
            f"$ llbuild {' '.join(self.command)}\n{self._told_steps()}{self.stdout}{text}[exit code {self.exit_code}]"
        )

    def _told_steps(self) -> str:
        return "".join(
            f"  {step.name}: {'cached' if step.cached else step.error or ('ran' if step.ran else 'never started')}\n"
            + step.output.decode(errors="replace")
            for step in self.steps
        )

    @property
    def steps(self) -> list[Step]:
        """What `--progress=rawjson` told, one entry per vertex in order of appearance."""
        steps: dict[str, Step] = {}
        for line in self.stderr.splitlines():
            if line.startswith("{"):
                _take(json.loads(line), steps)
        return list(steps.values())

    def named(self, text: str) -> list[Step]:
        return [step for step in self.steps if text in step.name]

    def step(self, text: str) -> Step:
        """The one step whose name contains `text`."""
        found = self.named(text)
        assert len(found) == 1, f"{len(found)} steps named {text!r}\n{self}"
        return found[0]

    def ran(self) -> list[str]:
        """The names of the steps that changed files or ran a process: no cached ones, no loading and exporting."""
        return [step.name for step in self.steps if step.ran and _INSTRUCTION.match(step.name)]


def _take(status: dict[str, Any], steps: dict[str, Step]) -> None:
    for vertex in status.get("vertexes") or ():
        step = steps.setdefault(vertex["digest"], Step(digest=vertex["digest"]))
        step.name = vertex.get("name") or step.name
        step.cached = vertex.get("cached", False)  # what was cached may turn out to be lost, and run
        step.error = vertex.get("error") or step.error
        if vertex.get("started"):
            step.started = datetime.fromisoformat(vertex["started"])
        if vertex.get("completed"):
            step.completed = datetime.fromisoformat(vertex["completed"])
    for log in status.get("logs") or ():
        step = steps.setdefault(log["vertex"], Step(digest=log["vertex"]))
        step.output += b64decode(log["data"])


@dataclass(slots=True, kw_only=True)
class Llbuild:
    """The program with a state folder of its own."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()  # a program to run it under
    python: str = sys.executable

    def __call__(
        self, *arguments: str | Path, exit_code: int = 0, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> Outcome:
        """Run to the end; anything but the expected exit code fails the test with all that was said."""
        words = tuple(str(word) for word in arguments)
        done = subprocess.run(
            [*self.prefix, self.python, "-c", _ENTRY, *words],
            cwd=cwd,
            env=self._environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_TIMEOUT_S,
            check=False,
        )
        outcome = Outcome(words, done.returncode, done.stdout, done.stderr)
        assert done.returncode == exit_code, f"expected exit code {exit_code}\n{outcome}"
        return outcome

    def build(self, *arguments: str | Path, **options: Any) -> Outcome:
        """`llbuild build` with progress as data, so that `steps` can be asked for."""
        return self("build", "--progress=rawjson", *arguments, **options)

    def given(self, data: bytes, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Run to the end with these bytes on stdin, however it ends."""
        return subprocess.run(
            [*self.prefix, self.python, "-c", _ENTRY, *map(str, arguments)],
            env=self._environment(None),
            input=data,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )

    def pipe(self, first: list[str], second: list[str]) -> None:
        """One command's output as another's input; both must succeed."""
        printed = subprocess.run(
            [*self.prefix, self.python, "-c", _ENTRY, *first],
            env=self._environment(None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        )
        subprocess.run(
            [*self.prefix, self.python, "-c", _ENTRY, *second],
            env=self._environment(None),
            input=printed.stdout,
            check=True,
        )

    def peak_bytes(self, *arguments: str | Path) -> int:
        """The memory of the largest process of a command at its peak, in a run that must succeed."""
        # From a process of little memory: what a child had before it became another program counts as the child's.
        told = subprocess.run(
            [self.python, "-I", "-S", "-c", _PEAK, self.python, "-c", _ENTRY, *map(str, arguments)],
            env=self._environment(None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return int(told.stdout.split()[-1]) * 1024

    def modules_after(self, *arguments: str | Path) -> set[str]:
        """The modules that a command has loaded by its end."""
        told = self.root.parent / "modules.txt"
        code = (
            "import sys; from llbuild.cli.main import main; code = main(); "
            f"open({str(told)!r}, 'w').write(' '.join(sys.modules)); sys.exit(code)"
        )
        done = subprocess.run(
            [*self.prefix, self.python, "-c", code, *map(str, arguments)],
            env=self._environment(None),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(told.read_text().split())

    def start(
        self, *arguments: str | Path, cwd: Path | None = None, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start and return at once; in a process group of its own, as a shell would."""
        return subprocess.Popen(
            [*self.prefix, self.python, "-c", _ENTRY, *map(str, arguments)],
            cwd=cwd,
            env=self._environment(None),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self(*arguments).stdout)

    def image_names(self) -> list[str]:
        """Name, tag and id of every image of the store."""
        return sorted(" ".join(line.split()[:3]) for line in self("images").stdout.splitlines()[1:])

    def _environment(self, extra: dict[str, str] | None) -> dict[str, str]:
        return {
            **os.environ,
            # The libraries may lie elsewhere than this Python looks (tests/ordinary.py).
            "PYTHONPATH": os.pathsep.join([str(ROOT / ".typing"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "PYTHONDONTWRITEBYTECODE": "",  # or every command of every test compiles the package anew
            "LLBUILD_ROOT": str(self.root),
            **self.environment,
            **(extra or {}),
        }


def as_user(uid: int, home: Path, ids: str = "one") -> Llbuild:
    """The program as a user without rights has it, its state folder in that user's home. ids: see tests/ordinary.py."""
    *prefix, python = python_for(uid, ids)
    return Llbuild(root=home / "state", prefix=(*prefix, f"HOME={home}"), python=python)


def overlap(steps: list[Step]) -> int:
    """The largest number of steps that were under way at the same moment."""
    edges = [(step.started, 1) for step in steps] + [(step.completed, -1) for step in steps]
    running = most = 0
    for _, change in sorted((at, change) for at, change in edges if at is not None):
        running += change
        most = max(most, running)
    return most


def processes_of(root: Path) -> list[str]:
    """The command lines of all processes started for the state folder `root` (they inherit its name, or show it)."""
    found: list[str] = []
    mark = os.fsencode(root)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
            mounts = (entry / "mountinfo").read_bytes()
        except OSError:  # gone, or another user's
            continue
        if mark in command or b"LLBUILD_ROOT=" + mark in environment or mark in mounts:
            found.append(command.replace(b"\0", b" ").decode(errors="replace").strip() or entry.name)
    return found


def wait_for_end(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """What a process still says until it ends; it is killed, and the test fails, when it does not."""
    try:
        return process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()
        pytest.fail(f"still running {timeout_s} s later\n{said[1].decode(errors='replace')}")
