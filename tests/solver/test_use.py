"""Results that are used, and results that somebody cleans up at the same moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.database import open_database
from llbuild.leases import Leases
from llbuild.solver import SCHEMAS, CacheStore, make_plan, solve, unresolved_sources
from llbuild.solver.gc import forget_results, forget_stale_memos, stored_results
from llbuild.solver.testing import MemoryWorker, parse_graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.database import Database
    from llbuild.solver import Plan

DIAMOND = "base; a <- base; b <- base; out <- a b"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db", SCHEMAS)


@pytest.fixture
def other(tmp_path: Path, database: Database) -> Database:
    """The same database, as another process has it open."""
    return open_database(tmp_path / "state.db", SCHEMAS)


@dataclass(slots=True)
class InterruptedWorker(MemoryWorker):
    """Something happens just after the plan has found a result, and before it says that it needs it."""

    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def available(self, ref: tuple[str, ...]) -> bool:
        while self.meanwhile:
            self.meanwhile.pop()()
        return not self.lost.intersection(ref)


def plan(worker: MemoryWorker, database: Database, text: str = DIAMOND) -> Plan:
    graph, sources, unknown = unresolved_sources([parse_graph(text).definition("out")], worker)
    assert not unknown
    return make_plan(graph, sources, worker, CacheStore(database))


def build(worker: MemoryWorker, database: Database) -> None:
    definitions = [parse_graph(DIAMOND).definition("out")]
    anyio.run(solve, definitions, worker, CacheStore(database), lambda event: None)


def test_a_plan_says_what_it_uses(database: Database, tmp_path: Path) -> None:
    worker = MemoryWorker()
    build(worker, database)
    before = {result.name: result for result in stored_results(database)}
    assert {result.uses for result in before.values()} == {1}
    with Leases(database, str(tmp_path / "leases")).take() as number:
        assert plan(worker, database).complete
    after = {result.name: result for result in stored_results(database)}
    assert (after["out"].uses, after["out"].lease) == (2, number)
    assert after["out"].last_used > before["out"].last_used
    assert after["a"].uses == 1  # nobody looked below the hit


def test_what_lies_below_a_hit_is_kept_young_once_in_an_hour(database: Database) -> None:
    worker = MemoryWorker()
    build(worker, database)
    plan(worker, database)
    fresh = {result.name: result.last_used for result in stored_results(database)}
    assert fresh["a"] < fresh["out"]
    database.execute("UPDATE results SET last_used = last_used - 7200")
    plan(worker, database)
    old = {result.name: result.last_used for result in stored_results(database)}
    assert all(old[name] > fresh["a"] for name in ("a", "b", "base", "out"))


def test_a_result_that_is_cleaned_up_while_it_is_planned_with_is_a_miss(database: Database, other: Database) -> None:
    worker = InterruptedWorker()
    build(worker, database)
    worker.meanwhile.append(lambda: forget_results(other, stored_results(other)))
    planned = plan(worker, database)
    assert planned.hits == {}
    assert len(planned.todo) == 4


def test_a_result_that_is_used_first_is_seen_to_be(database: Database, other: Database, tmp_path: Path) -> None:
    worker = MemoryWorker()
    build(worker, database)
    mine, theirs = (Leases(each, str(tmp_path / "leases")) for each in (database, other))
    with mine.take():
        plan(worker, database)
        live = theirs.live()
        needed = [result.name for result in stored_results(other) if live.may_use(result.lease)]
    assert needed == ["out"]


def test_results_go_with_their_keys_and_memos_with_their_age(database: Database) -> None:
    worker = MemoryWorker()
    build(worker, database)
    (out,) = [result for result in stored_results(database) if result.name == "out"]
    assert out.found
    forget_results(database, [out])
    assert len(plan(worker, database).todo) == 1
    database.execute("UPDATE durations SET created = created - 90 * 86400")
    forget_stale_memos(database)
    assert database.query("SELECT count(*) FROM durations") == [(0,)]
