"""Who works on what, in one process and in several."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.solver import SCHEMAS, CacheStore, solve
from llbuild.solver.flights import Flights
from llbuild.solver.testing import MemoryWorker, parse_graph

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

KEY, OTHER = b"k" * 32, b"o" * 32

HOLDER = """
import sys, anyio
from pathlib import Path
from llbuild.solver.flights import Flights
async def main():
    await Flights(Path(sys.argv[1])).claim(b"k" * 32)
    print("claimed", flush=True)
    await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "results"


@pytest.fixture
def processes(path: Path) -> list[Flights]:
    """The file opened several times: each opening stands for a process, whose locks exclude the others'."""
    return [Flights(path) for _ in range(6)]


@asynccontextmanager
async def claimed(flights: Flights, key: bytes = KEY) -> AsyncIterator[None]:
    await flights.claim(key)
    try:
        yield
    finally:
        flights.release(key)


@pytest.mark.parametrize("count", [1, 2])
async def test_a_key_has_one_holder_at_a_time(processes: list[Flights], count: int) -> None:
    inside, most, turns = 0, 0, 0

    async def work(flights: Flights) -> None:
        nonlocal inside, most, turns
        async with claimed(flights):
            inside += 1
            most = max(most, inside)
            await checkpoint()
            inside -= 1
            turns += 1

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(work, processes[number % count])
    assert (most, turns) == (1, 6)


async def test_other_keys_do_not_wait(processes: list[Flights]) -> None:
    one, two, *_ = processes
    with anyio.fail_after(10):
        async with claimed(one), claimed(two, OTHER), claimed(one, b"z" * 32):
            pass


async def test_one_that_is_cancelled_while_waiting_leaves_nothing_behind(processes: list[Flights]) -> None:
    one, two, *_ = processes
    async with claimed(one):
        with anyio.move_on_after(0.02) as scope:
            async with claimed(two):
                raise AssertionError("two holders")
        assert scope.cancelled_caught
    with anyio.fail_after(10):
        async with claimed(two):
            pass


def start_holder(path: Path) -> subprocess.Popen[bytes]:
    """A process that has the key."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"claimed\n"
    return holder


async def test_what_a_killed_process_held_is_free(path: Path, processes: list[Flights]) -> None:
    flights = processes[0]
    holder = await run_blocking(start_holder, path)
    try:
        with anyio.move_on_after(0.02) as scope:
            async with claimed(flights):
                raise AssertionError("two holders")
        assert scope.cancelled_caught
        holder.kill()
        with anyio.fail_after(10):
            async with claimed(flights):
                pass
    finally:
        holder.kill()
        await run_blocking(holder.communicate)


async def test_builds_at_the_same_time_run_every_shared_vertex_once(processes: list[Flights], tmp_path: Path) -> None:
    async def linger(_: str) -> None:
        await anyio.sleep(0.001)

    worker = MemoryWorker(before=linger)
    graphs = {
        "one": parse_graph("base; a <- base; b <- a; one <- b"),
        "two": parse_graph("base; a <- base; b <- a; c <- a; two <- b c"),
        "three": parse_graph("base; a <- base; c <- a; three <- c"),
    }

    async def build(target: str, flights: Flights) -> None:
        store = CacheStore(await run_blocking(open_database, tmp_path / "state.db", SCHEMAS))
        await solve([graphs[target].definition(target)], worker, store, lambda _: None, flights=flights)

    async with anyio.create_task_group() as group:
        for target, flights in zip([*graphs, *graphs], processes, strict=True):
            group.start_soon(build, target, flights)
    assert worker.runs == dict.fromkeys(["base", "a", "b", "c", "one", "two", "three"], 1)


async def test_a_process_knows_whether_it_is_alone(path: Path) -> None:
    def open_some() -> None:
        first = Flights(path)
        assert first.alone
        second = Flights(path)
        assert not first.alone
        assert not second.alone
        second.close()
        assert not first.alone  # the other may have left results
        first.close()
        assert Flights(path).alone

    await run_blocking(open_some)
    assert Flights().alone
