"""Timing whole commands: wall time of the client, and the peak memory of its largest process."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from llbuild.benchmarks.builders import Builder
    from llbuild.benchmarks.workloads import Workload

__all__ = ["Sample", "Series", "collect", "phases", "time_command"]


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: float
    cpu_seconds: float  # of the client and what it started; in comparisons of builders, of the daemon too
    peak_bytes: int  # of the client's largest process; a daemon's memory is not in it


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one builder at one phase of one workload."""

    workload: str
    phase: str
    builder: str
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> float:
        return median(sample.seconds for sample in self.samples)

    @property
    def cpu_seconds(self) -> float:
        return median(sample.cpu_seconds for sample in self.samples)

    @property
    def peak_bytes(self) -> int:
        return max(sample.peak_bytes for sample in self.samples)


def time_command(command: Sequence[str], environment: dict[str, str]) -> Sample:
    """Run a command that must succeed, with its output kept for the case that it does not."""
    env = {**os.environ, **environment}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # Popen.wait would lose the usage
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode} from: {' '.join(command)}\n{said.decode(errors='replace')}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def collect(workload: Workload, builders: Sequence[Builder], rounds: int, work: Path) -> Iterator[Series]:
    """Measure one workload: in every round each builder in turn, so that what disturbs the machine disturbs all."""
    samples: dict[tuple[str, str], list[Sample]] = {}
    for turn in range(rounds):
        for builder in builders:
            context = workload.make(work / f"{workload.name}-{builder.name}-{turn}")
            builder.reset()
            os.sync()  # writing back what the reset left is not this build's cost
            for phase in phases(workload):
                if phase == "changed" and workload.change:
                    workload.change(context)
                command = builder.command(context, no_cache=phase == "no cache")
                before = builder.daemon_cpu_seconds()
                sample = time_command(command, builder.environment())
                sample = replace(sample, cpu_seconds=sample.cpu_seconds + builder.daemon_cpu_seconds() - before)
                samples.setdefault((phase, builder.name), []).append(sample)
    for (phase, name), taken in samples.items():
        yield Series(workload.name, phase, name, tuple(taken))


def phases(workload: Workload) -> list[str]:
    optional = [("no cache", workload.no_cache), ("changed", workload.change is not None)]
    return ["cold", "again", *(phase for phase, wanted in optional if wanted)]
