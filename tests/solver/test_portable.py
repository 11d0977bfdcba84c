"""Results taken from one store to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.solver import SCHEMAS, CacheStore, Event, execute, make_plan, portable_records, unresolved_sources
from llbuild.solver.testing import MemoryWorker, parse_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.image import CacheConfig
    from llbuild.solver import Plan, Ref
    from llbuild.solver.keys import Key

pytestmark = pytest.mark.anyio

GRAPH = "base; a <- base; b <- base *a; out <- b *a"


class Machine:
    """A store of its own. `worker.lost` are layers that are not there."""

    def __init__(self, folder: Path, name: str) -> None:
        self.store = CacheStore(open_database(folder / f"{name}.db", SCHEMAS))
        self.worker = MemoryWorker()

    async def build(self, text: str, target: str = "out") -> Plan:
        graph, sources, unknown = unresolved_sources([parse_graph(text).definition(target)], self.worker)
        assert not unknown
        events: list[Event] = []
        plan = await run_blocking(make_plan, graph, sources, self.worker, self.store)
        await execute(plan, self.worker, self.store, events.append)
        return plan

    async def result(self, plan: Plan) -> Ref:
        (root,) = plan.graph.roots
        key = plan.keys[root.vertex]
        return (await run_blocking(self.store.find, [key]))[key].refs[root.output]

    async def give(self, plan: Plan, wanted: Callable[[Ref], bool] = lambda _: True) -> CacheConfig:
        return await run_blocking(portable_records, plan, self.store, wanted)

    async def take(self, config: CacheConfig) -> int:
        return await run_blocking(self.store.adopt, config.records, config.contents, self.worker.available)

    async def durations(self, plan: Plan) -> dict[Key, float]:
        return await run_blocking(self.store.durations, set(plan.op_keys.values()))


@pytest.fixture
def one(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "one")


@pytest.fixture
def two(tmp_path: Path) -> Machine:
    return Machine(tmp_path, "two")


async def test_a_store_that_adopted_a_builds_records_runs_nothing(one: Machine, two: Machine) -> None:
    plan = await one.build(GRAPH)
    assert await two.take(await one.give(plan)) == 4
    again = await two.build(GRAPH)
    assert two.worker.runs == {}
    assert again.complete


async def test_a_new_step_on_adopted_ones_reads_no_contents_for_its_key(one: Machine, two: Machine) -> None:
    plan = await one.build(GRAPH)
    await two.take(await one.give(plan))
    await two.build("base; a <- base; b <- base *a; new <- b *a", "new")
    assert two.worker.runs == {"new": 1}
    assert two.worker.digested == 0


async def test_an_input_rebuilt_with_equal_contents_stops_the_rebuilding_there(one: Machine, two: Machine) -> None:
    """Results travel under their strong keys too."""
    one.worker.contents = two.worker.contents = {"a": "equal", "other": "equal"}
    plan = await one.build(GRAPH)
    await two.take(await one.give(plan))
    await two.build("base; other <- base; b <- base *other; out <- b *other")
    assert two.worker.runs == {"other": 1}


async def test_only_what_is_wanted_is_taken(one: Machine) -> None:
    plan = await one.build(GRAPH)
    small = await one.give(plan, frozenset(await one.result(plan)).issuperset)
    assert {record.name for record in small.records} == {"b", "base", "out"}


async def test_what_is_known_already_stays(one: Machine, two: Machine) -> None:
    config = await one.give(await one.build(GRAPH))
    two.worker.contents = {"out": "mine"}
    plan = await two.build(GRAPH)
    assert await two.take(config) == 0
    assert (await two.result(plan))[-1] == "mine"


async def test_what_is_known_but_gone_is_replaced(one: Machine, two: Machine) -> None:
    config = await one.give(await one.build(GRAPH))
    two.worker.contents = {"out": "mine"}
    plan = await two.build(GRAPH)
    two.worker.lost.add("mine")
    assert await two.take(config) == 1
    assert (await two.result(plan))[-1] == "out#1"


async def test_adopting_twice_changes_nothing(one: Machine, two: Machine) -> None:
    config = await one.give(await one.build(GRAPH))
    assert [await two.take(config) for _ in range(2)] == [4, 0]


async def test_durations_travel(one: Machine, two: Machine) -> None:
    plan = await one.build(GRAPH)
    await two.take(await one.give(plan))
    mine, theirs = await one.durations(plan), await two.durations(plan)
    assert theirs == {op: seconds for op, seconds in mine.items() if seconds}
