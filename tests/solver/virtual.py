"""A machine without a machine: a virtual clock that performs what a schedule starts, and random graphs for it."""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING

from llbuild.digest import Digest
from llbuild.solver.schedule import Resource, Schedule, Task
from llbuild.values import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["Run", "lower_bound_s", "random_tasks", "simulate"]


@frozen
class Run:
    """What a simulated build did. `spans`: when each task started and ended, in virtual seconds."""

    spans: Mapping[Digest, tuple[float, float]]
    starts: Sequence[Digest]
    failed: frozenset[Digest]
    makespan_s: float


def random_tasks(seed: int, count: int, *, resources: Sequence[Resource] = tuple(Resource)) -> list[Task]:
    """A DAG in topological order: mostly chains and fans, some wide joins; costs from nothing to much."""
    random = Random(seed)
    reach = random.choice((1, 3, 30, count))
    tasks = []
    for number in range(count):
        fan_in = min(number, random.choice((0, 1, 1, 1, 2, 3, 20)))
        lowest = max(0, number - reach)
        inputs = {random.randrange(lowest, number) for _ in range(fan_in)}
        tasks.append(
            Task(
                digest=Digest(f"t:{number}"),
                inputs=frozenset(Digest(f"t:{index}") for index in inputs),
                resource=random.choice(resources),
                cost=random.choice((0.0, 0.01, 1.0, random.expovariate(0.2))),
            )
        )
    return tasks


def simulate(tasks: Sequence[Task], slots: int, *, failing: Collection[Digest] = (), stop_after: int = -1) -> Run:
    """Perform the tasks on a virtual clock; `stop_after` that many ends the build is cancelled (-1: never)."""
    costs = {task.digest: task.cost for task in tasks}
    schedule = Schedule(tasks, dict.fromkeys(Resource, slots))
    spans: dict[Digest, tuple[float, float]] = {}
    starts: list[Digest] = []
    failed: set[Digest] = set()
    ends: list[tuple[float, int, Digest]] = []
    now, ended = 0.0, 0
    ready = schedule.start()
    while ready or ends:
        for digest in ready:
            starts.append(digest)
            spans[digest] = (now, now + costs[digest])
            heapq.heappush(ends, (now + costs[digest], len(starts), digest))
        if ended == stop_after:
            break
        now, _, digest = heapq.heappop(ends)
        ended += 1
        if digest in failing:
            failed.add(digest)
            ready = schedule.fail(digest)
        else:
            ready = schedule.finish(digest)
    assert schedule.finished or ended == stop_after
    return Run(spans=spans, starts=starts, failed=frozenset(failed), makespan_s=now)


def lower_bound_s(tasks: Sequence[Task], slots: int) -> float:
    """No schedule is shorter: the longest path, and all the work shared out evenly."""
    longest: dict[Digest, float] = {}
    for task in tasks:
        longest[task.digest] = task.cost + max((longest[digest] for digest in task.inputs), default=0.0)
    return max(*longest.values(), sum(task.cost for task in tasks) / slots)
