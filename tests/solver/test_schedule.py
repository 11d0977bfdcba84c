"""The schedule's promises, on random graphs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.digest import Digest
from llbuild.solver.schedule import Resource, Schedule, Task


@st.composite
def task_lists(draw: st.DrawFn) -> list[Task]:
    count = draw(st.integers(1, 40))
    tasks = []
    for number in range(count):
        inputs = draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        tasks.append(
            Task(
                digest=Digest(f"t:{number}"),
                inputs=frozenset(Digest(f"t:{index}") for index in inputs),
                resource=draw(st.sampled_from(Resource)),
                cost=draw(st.integers(0, 9)) / 2,
            )
        )
    return tasks


@settings(max_examples=100, deadline=None)
@given(task_lists(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_task_runs_once_after_its_inputs_and_within_capacity(tasks, slots, random) -> None:  # type: ignore[no-untyped-def]
    schedule = Schedule(tasks, dict.fromkeys(Resource, slots))
    by_digest = {task.digest: task for task in tasks}
    ended: set[Digest] = set()
    running = schedule.start()
    begun = list(running)
    while running:
        for resource in Resource:
            assert sum(by_digest[digest].resource is resource for digest in running) <= slots
        for digest in running:
            assert by_digest[digest].inputs <= ended
        done = running.pop(random.randrange(len(running)))
        ended.add(done)
        more = schedule.finish(done)
        begun += more
        running += more
    assert schedule.finished
    assert sorted(begun) == sorted(by_digest)


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
