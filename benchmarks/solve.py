"""What the solver itself costs: `python benchmarks/solve.py [VERTICES…]`.

Chains of vertices that do nothing, so that all the time is planning, scheduling, keys, claims and records. Prints
microseconds of CPU per vertex for a first build and for one with nothing changed, peak memory, and how time grows: the
exponent of a power law through the measurements (1.0: linear).
"""

from __future__ import annotations

import gc
import math
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".typing"))  # so that any interpreter with the dependencies will do

from llbuild.database import open_database  # noqa: E402  after the line above
from llbuild.llb import ExecOp, Metadata, Mount, SourceOp, add_vertex, marshal  # noqa: E402
from llbuild.solver import SCHEMAS, CacheStore, Flights, solve  # noqa: E402
from llbuild.solver.testing import MemoryWorker  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.llb import Definition

_CHAINS = 50


def main() -> None:
    gc.set_threshold(100_000)  # as the program has it
    sizes = [int(word) for word in sys.argv[1:]] or [1_250, 2_500, 5_000, 10_000]
    print("vertices     first     again  peak memory")
    first, again = [], []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="llbuild-benchmark-") as folder:
            new, unchanged = measure(graph(size), Path(folder))
        first.append(new)
        again.append(unchanged)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{size:8} {new / size * 1e6:6.0f} us {unchanged / size * 1e6:6.0f} us {peak_mb:9.0f} MB")
    if len(sizes) > 1:
        print(f"growth   {growth(sizes, first):9.2f} {growth(sizes, again):9.2f}")


def graph(size: int) -> Definition:
    """Chains side by side, and one vertex that needs the ends of all."""
    base = add_vertex(SourceOp(identifier="docker-image://base"))
    ends = []
    for chain in range(_CHAINS):
        end = base
        for number in range(size // _CHAINS):
            op = ExecOp(args=(f"{chain}-{number}",), mounts=(Mount(dest="/", input=0, output=0),))
            end = add_vertex(
                op, [end], metadata=Metadata(name=f"[c{chain} {number + 1}/{size // _CHAINS}] RUN {number}")
            )
        ends.append(end)
    mounts = [Mount(dest="/", input=0, output=0)]
    mounts += [Mount(dest=f"/{number}", input=number, readonly=True) for number in range(1, _CHAINS)]
    return marshal(add_vertex(ExecOp(args=("all",), mounts=tuple(mounts)), ends))


def measure(definition: Definition, folder: Path) -> tuple[float, float]:
    """Seconds of CPU of a first solve, and of one after it."""
    store = CacheStore(open_database(folder / "state.db", SCHEMAS))
    worker = MemoryWorker()

    async def build() -> None:
        flights = Flights(folder / "locks")
        await solve([definition], worker, store, lambda _: None, flights=flights)
        flights.close()

    taken = []
    for _ in range(2):
        before = time.process_time()
        anyio.run(build)
        taken.append(time.process_time() - before)
    return taken[0], taken[1]


def growth(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log time over log size, by least squares."""
    points = [(math.log(size), math.log(taken)) for size, taken in zip(sizes, seconds, strict=True)]
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)


if __name__ == "__main__":
    main()
