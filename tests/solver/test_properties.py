"""Whole builds of random graphs: failures, cancellations, lost results, and what the next build makes of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.errors import BuildError, LlbuildError, VertexError
from llbuild.solver import SCHEMAS, CacheStore, Limits, solve
from llbuild.solver.testing import GraphText, MemoryWorker, parse_graph

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class RandomGraph:
    """Vertices by name, inputs first; `out` needs all that nothing else needs."""

    graph: GraphText
    inputs: dict[str, tuple[str, ...]]

    def above(self, names: Iterable[str]) -> set[str]:
        """These, and everything that is built on them."""
        found = set(names)
        for name, inputs in self.inputs.items():
            if not found.isdisjoint(inputs):
                found.add(name)
        return found


def random_graph(rng: random.Random, count: int) -> RandomGraph:
    inputs: dict[str, tuple[str, ...]] = {}
    statements = []
    for number in range(count):
        known = [f"v{earlier}" for earlier in range(max(0, number - 40), number)]
        wanted = tuple(rng.sample(known, min(len(known), rng.choice([0, 1, 1, 1, 2, 3]))))
        inputs[f"v{number}"] = wanted
        words = " ".join((rng.choice(["", "*"]) if place else "") + word for place, word in enumerate(wanted))
        statements.append(f"v{number} <- {words}" if wanted else f"v{number}")
    needed = {name for wanted in inputs.values() for name in wanted}
    inputs["out"] = tuple(name for name in inputs if name not in needed)
    statements.append("out <- " + " ".join(inputs["out"]))
    return RandomGraph(graph=parse_graph("; ".join(statements)), inputs=inputs)


@dataclass(kw_only=True)
class Builds:
    """Builds of one graph, one after the other, with one store."""

    of: RandomGraph
    rng: random.Random
    store: CacheStore
    worker: MemoryWorker = field(default_factory=MemoryWorker)
    failing: frozenset[str] = frozenset()
    cancel_after: int = -1  # starts
    starts: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def before(self, name: str) -> None:
        self.starts += 1
        if self.starts == self.cancel_after:
            self.scope.cancel()
        for _ in range(self.rng.randrange(4)):
            await checkpoint()
        if name in self.failing:
            raise LlbuildError(f"{name} failed")

    async def build(
        self, *, failing: Iterable[str] = (), cancel_after: int = -1, keep_going: bool = False
    ) -> tuple[list[str], bool]:
        """What ran, in order, and whether the build succeeded. Holds the promises of any build against it."""
        self.failing, self.cancel_after, self.starts = frozenset(failing), cancel_after, 0
        self.worker.before, self.worker.order = self.before, []
        limits = Limits(
            execs=self.rng.randint(1, 5), transfers=self.rng.randint(1, 3), retry_delays_s=(), keep_going=keep_going
        )
        done = False
        with anyio.CancelScope() as self.scope:
            try:
                await solve([self.of.graph.definition("out")], self.worker, self.store, lambda _: None, limits)
                done = True
            except (VertexError, BuildError):
                assert self.failing
        ran = self.worker.order
        place = {name: number for number, name in enumerate(ran)}
        assert len(place) == len(ran), "a vertex ran twice"
        for name in ran:
            assert all(place.get(needed, -1) < place[name] for needed in self.of.inputs[name]), "before its inputs"
        assert self.failing.isdisjoint(ran)
        if keep_going and cancel_after < 0 and not done:
            assert set(ran) >= set(self.of.inputs) - self.of.above(self.failing) - self.known
        return ran, done

    known: set[str] = field(default_factory=set)  # what has a result before a build

    async def live(self, *, failures: int, cancel_after: int, losses: int, keep_going: bool) -> None:
        names = list(self.of.inputs)
        failing = self.rng.sample(names, min(failures, len(names)))
        ran, done = await self.build(failing=failing, cancel_after=cancel_after, keep_going=keep_going)
        assert done or failing or cancel_after > 0
        if not failing and cancel_after < 0:
            assert set(ran) == set(names)
        self.known = set(ran)
        lost = self.rng.sample(ran, min(losses, len(ran)))
        self.worker.lost = {f"{name}#{self.worker.runs[name]}" for name in lost}
        again, done = await self.build()
        assert done
        # Nothing is lost but that: what was done, and stands on nothing that was not, is not done again.
        assert set(again) <= self.of.above({*lost, *(set(names) - set(ran))})
        self.worker.lost = set()
        assert await self.build() == ([], True)


async def live(path: Path, seed: int, count: int, **settings: int) -> None:
    rng = random.Random(seed)
    database = await run_blocking(open_database, path, SCHEMAS)
    try:
        builds = Builds(of=random_graph(rng, count), rng=rng, store=CacheStore(database))
        await builds.live(**settings, keep_going=rng.random() < 0.5)
    finally:
        await run_blocking(database.close)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(1, 60),
    failures=st.integers(0, 3),
    cancel_after=st.sampled_from([-1, -1, 1, 2, 5, 20]),
    losses=st.integers(0, 5),
)
def test_every_vertex_runs_once_after_its_inputs_and_nothing_that_was_done_is_lost(
    tmp_path: Path, seed: int, count: int, failures: int, cancel_after: int, losses: int
) -> None:
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    async def run() -> None:
        await live(tmp_path / "state.db", seed, count, failures=failures, cancel_after=cancel_after, losses=losses)

    anyio.run(run)


@pytest.mark.slow
@pytest.mark.parametrize(("failures", "cancel_after"), [(0, -1), (9, -1), (0, 5000)])
def test_so_it_is_with_ten_thousand(tmp_path: Path, failures: int, cancel_after: int) -> None:
    async def run() -> None:
        await live(tmp_path / "state.db", 7, 10_000, failures=failures, cancel_after=cancel_after, losses=20)

    anyio.run(run)
