"""The schedule: which vertex next. A pure state machine: it decides and performs nothing.

    schedule = Schedule(tasks, capacity)
    started = schedule.start()           # perform these, all at once
    more = schedule.finish(digest)       # … and these, now that it has ended well
    more = schedule.fail(digest)         # … or badly: what needs it will never start

Ready vertices start in the order of their longest remaining path, as long as their resource has a
free slot. Every vertex starts at most once and never before its inputs.
"""

from __future__ import annotations

import heapq
from enum import Enum
from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..digest import Digest

__all__ = ["Resource", "Schedule", "Task"]


class Resource(Enum):
    """What a running vertex occupies."""

    EXEC = "exec"  # a process: mostly waits for it
    DISK = "disk"  # a thread of ours, copying
    TRANSFER = "transfer"  # a download

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python


@frozen
class Task:
    """A vertex to perform. `inputs`: those of its inputs that are tasks too. `cost`: its expected seconds."""

    digest: Digest
    inputs: frozenset[Digest]
    resource: Resource
    cost: float = 1.0


class Schedule:
    """Tasks in, start signals out. Not for more than one build."""

    def __init__(self, tasks: Sequence[Task], capacity: Mapping[Resource, int]) -> None:
        """tasks: topological order, inputs first. capacity: slots per resource, at least 1 each."""
        self._tasks = {task.digest: task for task in tasks}
        self._free = dict(capacity)
        self._waiting_for = {task.digest: len(task.inputs) for task in tasks}
        self._users: dict[Digest, list[Digest]] = {}
        for task in tasks:
            for digest in task.inputs:
                self._users.setdefault(digest, []).append(task.digest)
        self._height = self._heights(tasks)
        self._order = {task.digest: number for number, task in enumerate(tasks)}
        self._ready: dict[Resource, list[tuple[float, int, Digest]]] = {resource: [] for resource in Resource}
        self._running: set[Digest] = set()
        self._doomed: set[Digest] = set()  # need one that failed
        self._left = len(tasks)

    @property
    def finished(self) -> bool:
        """Every task has ended, or will never start."""
        return self._left == 0

    @property
    def running(self) -> frozenset[Digest]:
        return frozenset(self._running)

    def start(self) -> list[Digest]:
        """The tasks to start now: those without inputs, as far as there are slots."""
        for digest, missing in self._waiting_for.items():
            if missing == 0:
                self._push(digest)
        return self._take()

    def finish(self, digest: Digest) -> list[Digest]:
        """That task ended well: what starts now."""
        self._running.remove(digest)
        self._left -= 1
        self._free[self._tasks[digest].resource] += 1
        for user in self._users.get(digest, ()):
            self._waiting_for[user] -= 1
            if self._waiting_for[user] == 0:
                self._push(user)
        return self._take()

    def fail(self, digest: Digest) -> list[Digest]:
        """That task ended badly: what starts now. Whatever needs it, directly or not, never does."""
        self._running.remove(digest)
        self._left -= 1
        self._free[self._tasks[digest].resource] += 1
        todo = [digest]
        while todo:
            for user in self._users.get(todo.pop(), ()):
                if user not in self._doomed:
                    self._doomed.add(user)
                    self._left -= 1
                    todo.append(user)
        return self._take()

    def _push(self, digest: Digest) -> None:
        entry = (-self._height[digest], self._order[digest], digest)
        heapq.heappush(self._ready[self._tasks[digest].resource], entry)

    def _take(self) -> list[Digest]:
        started = []
        for resource, ready in self._ready.items():
            while ready and self._free[resource] > 0:
                _, _, digest = heapq.heappop(ready)
                self._free[resource] -= 1
                self._running.add(digest)
                started.append(digest)
        return started

    def _heights(self, tasks: Sequence[Task]) -> dict[Digest, float]:
        """Seconds from a task's start to the end of the longest chain it begins."""
        heights: dict[Digest, float] = {}
        for task in reversed(tasks):
            above = max((heights[user] for user in self._users.get(task.digest, ())), default=0.0)
            heights[task.digest] = task.cost + above
        return heights
