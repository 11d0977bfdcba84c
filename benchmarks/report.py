"""Results for people (a table of medians and ratios) and for programs (JSON)."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llbuild.benchmarks.measure import phases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.benchmarks.builders import Builder
    from llbuild.benchmarks.measure import Series
    from llbuild.benchmarks.workloads import Workload

__all__ = ["as_json", "machine_facts", "render"]


def machine_facts(work: Path) -> dict[str, str]:
    """What a reader must know of the machine to judge the numbers."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?:?")
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "?: 0")
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", work], capture_output=True, text=True, check=False)
    return {
        "cpu": f"{cpu.partition(':')[2].strip()}, {os.cpu_count()} cores",
        "memory": f"{int(memory.split()[1]) / 1024 / 1024:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "filesystem": filesystem.stdout.strip(),
        "load": f"{os.getloadavg()[0]:.2f} at the start",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def render(workloads: Sequence[Workload], builders: Sequence[Builder], series: Sequence[Series]) -> str:
    """Rows of work, columns of builders; a ratio below 1 means that llbuild took less time than that peer."""
    found = {(one.workload, one.phase, one.builder): one for one in series}
    peers = [builder.name for builder in builders[1:]]
    head = [
        "work",
        "phase",
        "llbuild",
        *(word for peer in peers for word in (peer, "ratio", "of CPU")),
        "per RUN",
        "peak memory",
    ]
    rows = [head]
    for workload in workloads:
        for phase in phases(workload):
            own = found[workload.name, phase, "llbuild"]
            row = [workload.summary, phase, f"{own.seconds:.3f} s"]
            for peer in peers:
                other = found[workload.name, phase, peer]
                row += [f"{other.seconds:.3f} s", f"{own.seconds / other.seconds:.2f}"]
                row.append(f"{own.cpu_seconds / other.cpu_seconds:.2f}" if other.cpu_seconds else "")
            per_run = f"{own.seconds / workload.runs * 1000:.1f} ms" if workload.runs and phase != "again" else ""
            rows.append([*row, per_run, f"{own.peak_bytes / 1e6:.0f} MB"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def as_json(facts: dict[str, str], builders: Sequence[Builder], series: Sequence[Series]) -> dict[str, Any]:
    return {
        "machine": facts,
        "builders": {builder.name: {"version": builder.version, "remark": builder.remark} for builder in builders},
        "series": [
            {
                "workload": one.workload,
                "phase": one.phase,
                "builder": one.builder,
                "median_s": round(one.seconds, 4),
                "samples_s": [round(sample.seconds, 4) for sample in one.samples],
                "cpu_s": [round(sample.cpu_seconds, 4) for sample in one.samples],
                "peak_bytes": one.peak_bytes,
            }
            for one in series
        ],
    }
