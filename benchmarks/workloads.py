"""What is built in the benchmarks: build contexts, made from nothing, the same for every builder.

Every Dockerfile takes its base image as the build argument BASE, since each builder knows it by another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["WORKLOADS", "Workload"]

_HEAD = "ARG BASE=busybox\n"
_FROM = f"{_HEAD}FROM ${{BASE}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One build, timed in phases.

    cold: with an empty cache. again: nothing changed. no cache: everything once more, the base image unpacked by now.
    changed: after `change`, where there is one.
    """

    name: str
    summary: str
    fill: Callable[[Path], None]
    runs: int = 0  # RUN steps in a row: their cost is told per step
    no_cache: bool = False
    change: Callable[[Path], None] | None = None
    default: bool = True  # part of a run without names

    def make(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        self.fill(folder)
        return folder


def _small(folder: Path) -> None:
    (folder / "Dockerfile").write_text(
        f'{_FROM}ENV A=b\nRUN echo hello > /hello\nLABEL c=d\nEXPOSE 80\nCMD ["cat", "/hello"]\n'
    )


def _chain(folder: Path) -> None:
    (folder / "Dockerfile").write_text(_FROM + "".join(f"RUN echo {n} >> /log\n" for n in range(50)))


def _stages(count: int, sleep: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        stages = "".join(f"FROM ${{BASE}} AS s{n}\nRUN sleep {sleep} && echo {n} > /n\n" for n in range(count))
        copies = "".join(f"COPY --from=s{n} /n /all/{n}\n" for n in range(count))
        (folder / "Dockerfile").write_text(f"{_HEAD}{stages}FROM ${{BASE}}\n{copies}")

    return fill


def _many_files(folder: Path) -> None:
    for directory in range(200):
        place = folder / "tree" / f"{directory:03}"
        place.mkdir(parents=True)
        for file in range(100):
            (place / f"{file:03}.txt").write_text(f"{directory} {file}\n" * 20)
    (folder / "Dockerfile").write_text(f"{_FROM}COPY tree /tree\n")


def _many_copies(folder: Path) -> None:
    """A wide graph of small vertices: what a scheduler costs, and a cache that is asked often.

    Every stage copies the same files, to places of its own: BuildKit's client cannot ask for 1,900 different paths.
    """
    (folder / "src").mkdir()
    for number in range(38):
        (folder / "src" / str(number)).write_text(f"{number}\n")
    stages = (
        f"FROM ${{BASE}} AS s{stage}\n" + "".join(f"COPY src/{number} /d{stage}/{number}\n" for number in range(38))
        for stage in range(50)
    )
    gathered = "".join(f"COPY --from=s{stage} /d{stage} /all/{stage}\n" for stage in range(50))
    (folder / "Dockerfile").write_text(f"{_HEAD}{''.join(stages)}FROM ${{BASE}}\n{gathered}")


def _change_one_file(folder: Path) -> None:
    with (folder / "tree/100/050.txt").open("a") as file:
        file.write("changed\n")


def _big_file(folder: Path) -> None:
    import random

    # Half of it compresses well, half not at all: neither a best nor a worst case.
    noise = random.Random(1).randbytes(1 << 20)
    with (folder / "big").open("wb") as file:
        for _ in range(400):
            file.write(noise)
            file.write(bytes(1 << 20))
    (folder / "Dockerfile").write_text(f"{_FROM}COPY big /big\n")


WORKLOADS = [
    Workload(name="small", summary="1 RUN + metadata", fill=_small, no_cache=True),
    Workload(name="chain", summary="50 trivial RUNs in a row", fill=_chain, runs=50, no_cache=True),
    Workload(name="stages3", summary="3 parallel stages of sleep 1", fill=_stages(3, "1")),
    Workload(name="stages40", summary="40 parallel stages of sleep 0.5", fill=_stages(40, "0.5")),
    Workload(name="copies", summary="1,900 small COPYs in 50 stages, 50 of those", fill=_many_copies, default=False),
    Workload(
        name="files", summary="COPY of 20,000 small files", fill=_many_files, change=_change_one_file, default=False
    ),
    Workload(name="bigfile", summary="COPY of one 800 MiB file", fill=_big_file, default=False),
]
