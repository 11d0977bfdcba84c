"""Steps of all builds together: never too many, to every build its share, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from llbuild.blocking import run_blocking
from llbuild.solver.slots import Build, Slots, may_take
from trio.testing import MockClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LONGEST_SILENCE_S = 0.05  # a free slot that somebody waits for is taken within two askings


@dataclass(kw_only=True)
class Watched:
    """One build of a simulation: `steps` of so many seconds each, all ready when it `begins`."""

    number: int
    steps: list[float]
    begins: float
    running: int = 0
    asking: int = 0


@dataclass(kw_only=True)
class Simulation:
    """Builds that share slots, on a virtual clock. `grants`: who got a slot, one after the other."""

    slots: int
    builds: list[Watched]
    grants: list[int] = field(default_factory=list)
    waited_since: dict[int, int] = field(default_factory=dict)  # by build: how many grants there were

    async def run(self, path: Path) -> float:
        """Every step of every build; the seconds that took."""
        opened = [Slots(path, self.slots, clock=anyio.current_time, look_every=1 << 60) for _ in self.builds]
        began = anyio.current_time()
        try:
            async with anyio.create_task_group() as group:
                for build, slots in zip(self.builds, opened, strict=True):
                    group.start_soon(self._build, build, slots)
        finally:
            for slots in opened:
                slots.close()
        return anyio.current_time() - began

    async def _build(self, build: Watched, slots: Slots) -> None:
        await anyio.sleep(build.begins)
        async with anyio.create_task_group() as group:
            for seconds in build.steps:
                group.start_soon(self._step, build, slots, seconds)

    async def _step(self, build: Watched, slots: Slots, seconds: float) -> None:
        build.asking += 1
        self.waited_since.setdefault(build.number, len(self.grants))
        try:
            async with slots.held():
                build.asking -= 1
                self._granted(build)
                await anyio.sleep(seconds)
                build.running -= 1
                if build.asking:
                    self.waited_since[build.number] = len(self.grants)
        except BaseException:
            build.running = build.asking = 0
            raise

    def _granted(self, build: Watched) -> None:
        build.running += 1
        assert sum(other.running for other in self.builds) <= self.slots
        waiting = [other for other in self.builds if other.asking and other is not build]
        if waiting:
            assert build.running <= -(-self.slots // (len(waiting) + 1)), "more than its share while another waits"
        if build.running == 1:  # since it has none, the others had one turn each, at most
            meanwhile = self.grants[self.waited_since[build.number] :]
            assert all(meanwhile.count(other.number) <= 1 for other in self.builds if other is not build)
        self.grants.append(build.number)
        self.waited_since.pop(build.number)
        if build.asking:
            self.waited_since[build.number] = len(self.grants)


def simulate(path: Path, simulation: Simulation) -> float:
    """On trio, whose clock jumps to the next thing that happens."""
    path.unlink(missing_ok=True)
    clock = MockClock(autojump_threshold=0)
    return anyio.run(simulation.run, path, backend="trio", backend_options={"clock": clock})


BUILDS = st.lists(
    st.tuples(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=10), st.floats(0, 1)), min_size=1, max_size=4
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 6), BUILDS)
@example(1, [([0.2] * 12, 0.0), ([0.2] * 2, 0.1), ([0.2], 0.1)])
def test_nobody_gets_more_than_its_share_while_another_waits(
    tmp_path: Path, slots: int, builds: list[tuple[list[float], float]]
) -> None:
    watched = [Watched(number=number, steps=steps, begins=at) for number, (steps, at) in enumerate(builds)]
    simulation = Simulation(slots=slots, builds=watched)
    took = simulate(tmp_path / "steps", simulation)
    count = sum(len(build.steps) for build in watched)
    assert len(simulation.grants) == count
    # No slot stays free longer than until the next asking: Graham's bound, and that.
    work = sum(sum(build.steps) for build in watched)
    longest = max(max(build.steps) for build in watched)
    assert took <= 1 + work / slots + longest + count * _LONGEST_SILENCE_S


def test_a_build_of_two_steps_is_not_starved_by_one_of_forty(tmp_path: Path) -> None:
    for slots in (1, 2, 8):
        large = Watched(number=0, steps=[0.2] * 40, begins=0)
        small = Watched(number=1, steps=[0.2] * 2, begins=0.7)
        simulation = Simulation(slots=slots, builds=[large, small])
        simulate(tmp_path / "steps", simulation)
        begun = 4 * slots  # by the large one when the small one comes
        assert simulation.grants[:begun] == [0] * begun
        assert simulation.grants[begun : begun + 4].count(1) == 2


@pytest.mark.parametrize(
    ("mine", "others", "slots", "may"),
    [
        (Build(0, 0), [], 1, True),
        (Build(1, 1, 1), [], 1, False),
        (Build(3, 0), [Build(4, 0)], 8, True),  # nobody else waits
        (Build(4, 1, 1), [Build(3, 1, 2)], 8, False),  # has its share
        (Build(3, 1, 2), [Build(4, 1, 1)], 8, True),  # the other has
        (Build(0, 1, 2), [Build(0, 1, 1)], 1, False),  # the other waited longer
        (Build(0, 0), [Build(0, 1, 1)], 1, False),  # one that comes waits, too
        (Build(2, 1, 1), [Build(2, 1, 2), Build(2, 1, 3)], 8, True),  # 8 for 3 is 3 each
    ],
)
def test_whose_turn_it_is(mine: Build, others: list[Build], slots: int, may: bool) -> None:
    assert may_take(mine, others, slots) is may


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "steps"


HOLDER = """
import sys, anyio
from pathlib import Path
from llbuild.solver.slots import Slots
async def hold(slots):
    async with slots.held():
        print("held", flush=True)
        await anyio.sleep_forever()
async def main():
    slots = Slots(Path(sys.argv[1]), int(sys.argv[2]))
    async with anyio.create_task_group() as group:
        for _ in range(int(sys.argv[3])):
            group.start_soon(hold, slots)
anyio.run(main)
"""


def start_holder(path: Path, slots: int, steps: int) -> subprocess.Popen[bytes]:
    """A process that holds the slots it can get, and waits for more."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), str(slots), str(steps)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    for _ in range(min(slots, steps)):
        assert holder.stdout.readline() == b"held\n"
    return holder


@asynccontextmanager
async def behind_another(path: Path) -> AsyncIterator[tuple[subprocess.Popen[bytes], Slots]]:
    """A process that holds both slots there are, and the part in them of one that has to wait for it."""
    holder = await run_blocking(start_holder, path, 2, 5)
    slots = await run_blocking(Slots, path, 2)
    try:
        assert await waits(slots)
        yield holder, slots
    finally:
        holder.kill()
        await run_blocking(holder.communicate)
        slots.close()


async def waits(slots: Slots) -> bool:
    with anyio.move_on_after(0.1) as scope:
        async with slots.held():
            return False
    return scope.cancelled_caught


@pytest.mark.anyio
async def test_what_a_killed_process_held_is_free(path: Path) -> None:
    async with behind_another(path) as (holder, slots):
        holder.kill()
        await run_blocking(holder.wait)
        with anyio.fail_after(60):
            async with slots.held(), slots.held():
                assert await waits(slots)


@pytest.mark.anyio
async def test_a_stopped_process_keeps_nobody_waiting(path: Path) -> None:
    async with behind_another(path) as (holder, slots):
        os.kill(holder.pid, signal.SIGSTOP)
        with anyio.fail_after(60):
            async with slots.held(), slots.held():
                assert await waits(slots)


@pytest.mark.anyio
async def test_one_that_is_cancelled_while_waiting_leaves_nothing_behind(path: Path) -> None:
    one, two = await run_blocking(Slots, path, 1), await run_blocking(Slots, path, 1)
    async with one.held():
        assert await waits(two)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(waits, two)
    with anyio.fail_after(60):
        for slots in (two, one, two):
            async with slots.held():
                pass
    one.close()
    two.close()


@pytest.mark.anyio
async def test_more_builds_than_rows_go_without(path: Path) -> None:
    opened = await run_blocking(lambda: [Slots(path, 1) for _ in range(257)])
    async with opened[0].held():
        assert await waits(opened[254])
        for slots in opened[255:]:
            assert not await waits(slots)
    await run_blocking(lambda: list(map(Slots.close, opened)))
