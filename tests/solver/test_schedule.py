"""The schedule's promises, on random graphs and a virtual clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.digest import Digest
from llbuild.solver.schedule import Resource, Schedule, Task
from llbuild.tests.solver.virtual import lower_bound_s, random_tasks, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llbuild.tests.solver.virtual import Run

SEEDS = st.integers(0, 1 << 32)
SLOTS = st.integers(1, 8)


def check_promises(tasks: Sequence[Task], run: Run, slots: int) -> None:
    """Each at most once, never before its inputs, never more of a resource than there is."""
    assert len(set(run.starts)) == len(run.starts)
    by_digest = {task.digest: task for task in tasks}
    changes: list[tuple[float, int, Resource]] = []
    for digest, (start, end) in run.spans.items():
        task = by_digest[digest]
        for needed in task.inputs:
            assert needed not in run.failed
            assert run.spans[needed][1] <= start
        if end > start:
            changes += [(start, 1, task.resource), (end, -1, task.resource)]
    busy = dict.fromkeys(Resource, 0)
    for _, change, resource in sorted(changes, key=lambda change: change[:2]):
        busy[resource] += change
        assert busy[resource] <= slots


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 300), SLOTS)
def test_every_task_runs_once_after_its_inputs_and_within_capacity(seed: int, count: int, slots: int) -> None:
    tasks = random_tasks(seed, count)
    run = simulate(tasks, slots)
    check_promises(tasks, run, slots)
    assert set(run.starts) == {task.digest for task in tasks}


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 300), SLOTS, st.data())
def test_after_failures_everything_runs_that_does_not_need_what_failed(
    seed: int, count: int, slots: int, data: st.DataObject
) -> None:
    tasks = random_tasks(seed, count)
    failing = {Digest(f"t:{number}") for number in data.draw(st.sets(st.integers(0, count - 1), max_size=5))}
    run = simulate(tasks, slots, failing=failing)
    check_promises(tasks, run, slots)
    spared: set[Digest] = set()
    for task in tasks:
        if task.inputs & (spared | failing):
            spared.add(task.digest)
    assert set(run.starts) == {task.digest for task in tasks} - spared


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 300), SLOTS, st.integers(0, 300))
def test_a_build_that_is_cancelled_has_started_nothing_out_of_turn(
    seed: int, count: int, slots: int, ends: int
) -> None:
    tasks = random_tasks(seed, count)
    check_promises(tasks, simulate(tasks, slots, stop_after=min(ends, count)), slots)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 400), SLOTS)
def test_the_makespan_is_within_graham_s_bound(seed: int, count: int, slots: int) -> None:
    """R. L. Graham, Bounds on multiprocessing timing anomalies (1969): 2 - 1/m for any list schedule."""
    tasks = random_tasks(seed, count, resources=(Resource.EXEC,))
    bound_s = lower_bound_s(tasks, slots)
    assert simulate(tasks, slots).makespan_s <= (2 - 1 / slots) * bound_s + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_tasks_keep_the_promises_too(seed: int) -> None:
    tasks = random_tasks(seed, 10_000)
    failing = {Digest(f"t:{number}") for number in range(seed * 100, 10_000, 997)}
    run = simulate(tasks, 4, failing=failing)
    check_promises(tasks, run, 4)


def test_a_free_slot_goes_to_the_longest_remaining_path() -> None:
    def task(name: str, cost: float, *inputs: str) -> Task:
        digests = frozenset(Digest(word) for word in inputs)
        return Task(digest=Digest(name), inputs=digests, resource=Resource.EXEC, cost=cost)

    tasks = [task("short", 1), task("long", 1), task("after", 5, "long"), task("middle", 3)]
    schedule = Schedule(tasks, dict.fromkeys(Resource, 1))
    assert schedule.start() == ["long"]
    assert schedule.finish(Digest("long")) == ["after"]
    assert schedule.finish(Digest("after")) == ["middle"]
    assert schedule.finish(Digest("middle")) == ["short"]
