"""What runs, what does not, and in what order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from llbuild.database import open_database
from llbuild.errors import BuildError, ExecError, VertexError
from llbuild.solver import (
    SCHEMAS,
    CacheStore,
    Event,
    Limits,
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexStarted,
    solve,
)
from llbuild.solver.testing import MemoryWorker, parse_graph

if TYPE_CHECKING:
    from pathlib import Path

DIAMOND = "base; a <- base; b <- base; out <- a b"

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> CacheStore:
    return CacheStore(open_database(tmp_path / "state.db", SCHEMAS))


async def build(
    text: str,
    worker: MemoryWorker,
    store: CacheStore,
    *,
    target: str = "out",
    ignore: frozenset[str] = frozenset(),
    events: list[Event] | None = None,
    limits: Limits | None = None,
) -> dict[str, int]:
    """Solve and tell how often each vertex ran in this build."""
    before = dict(worker.runs)
    graph = parse_graph(text, ignore_cache=ignore)
    collect = events if events is not None else []
    await solve([graph.definition(target)], worker, store, collect.append, limits)
    return {name: count - before.get(name, 0) for name, count in worker.runs.items() if count != before.get(name, 0)}


async def test_a_vertex_two_edges_share_runs_once(store: CacheStore) -> None:
    worker = MemoryWorker()
    assert await build(DIAMOND, worker, store) == {"base": 1, "a": 1, "b": 1, "out": 1}
    assert worker.order[0] == "base"
    assert worker.order[-1] == "out"


async def test_nothing_runs_the_second_time(store: CacheStore) -> None:
    worker = MemoryWorker()
    await build(DIAMOND, worker, store)
    events: list[Event] = []
    assert await build(DIAMOND, worker, store, events=events) == {}
    assert sum(isinstance(event, VertexCached) for event in events) == 4


async def test_of_what_a_result_spares_only_that_one_was_needed(store: CacheStore) -> None:
    worker = MemoryWorker()
    await build(DIAMOND, worker, store)
    events: list[Event] = []
    await build(DIAMOND, worker, store, events=events)
    assert [event.needed for event in events if isinstance(event, VertexCached)] == [False, False, False, True]


async def test_what_the_target_does_not_need_is_left_out(store: CacheStore) -> None:
    assert await build("base; a <- base; unused <- base; out <- a", MemoryWorker(), store) == {
        "base": 1,
        "a": 1,
        "out": 1,
    }


async def test_a_changed_command_reruns_itself_and_what_follows_only(store: CacheStore) -> None:
    worker = MemoryWorker()
    await build(DIAMOND, worker, store)
    changed = "base; a <- base; b2 <- base; out <- a b2"
    assert await build(changed, worker, store) == {"b2": 1, "out": 1}


async def test_a_changed_local_file_reruns_its_copy_and_what_follows(store: CacheStore) -> None:
    text = "base; copy@src; dep <- base; out <- dep copy"
    worker = MemoryWorker(files={"src": "one"})
    await build(text, worker, store)
    worker.files["src"] = "two"
    assert await build(text, worker, store) == {"src": 1, "copy": 1, "out": 1}
    worker.files["src"] = "one"
    assert await build(text, worker, store) == {}


async def test_a_rebuilt_stage_with_the_same_output_stops_the_rebuilding(store: CacheStore) -> None:
    worker = MemoryWorker(contents={"compile": "binary", "compile-again": "binary"})
    await build("base; compile <- base; copied <- base *compile; out <- copied", worker, store)
    again = "base; compile-again <- base; copied <- base *compile-again; out <- copied"
    assert await build(again, worker, store) == {"compile-again": 1}
    assert await build(again, worker, store) == {}


async def test_a_rebuilt_stage_with_another_output_rebuilds_what_copies_it(store: CacheStore) -> None:
    worker = MemoryWorker(contents={"compile": "binary", "compile-again": "other"})
    await build("base; compile <- base; out <- base *compile", worker, store)
    again = "base; compile-again <- base; out <- base *compile-again"
    assert await build(again, worker, store) == {"compile-again": 1, "out": 1}


async def test_two_names_of_one_image_share_results(store: CacheStore) -> None:
    worker = MemoryWorker(images={"busybox:1": "sha256:x", "busybox:latest": "sha256:x"})
    await build("busybox:1; out <- busybox:1", worker, store)
    assert await build("busybox:latest; out <- busybox:latest", worker, store) == {}


async def test_a_moved_tag_rebuilds(store: CacheStore) -> None:
    worker = MemoryWorker(images={"busybox": "sha256:x"})
    await build("busybox; out <- busybox", worker, store)
    worker.images["busybox"] = "sha256:y"
    assert await build("busybox; out <- busybox", worker, store) == {"busybox": 1, "out": 1}


async def test_ignoring_the_cache_reruns_the_vertex_and_what_is_built_on_it(store: CacheStore) -> None:
    worker = MemoryWorker()
    await build(DIAMOND, worker, store)
    assert await build(DIAMOND, worker, store, ignore=frozenset({"a"})) == {"a": 1, "out": 1}
    assert await build(DIAMOND, worker, store) == {}


@pytest.mark.parametrize(("left", "runs"), [("same", {"a": 1}), ("other", {"a": 1, "b": 1, "out": 1})])
async def test_what_only_reads_files_of_it_runs_when_they_came_out_otherwise(
    store: CacheStore, left: str, runs: dict[str, int]
) -> None:
    text = "base; a <- base; b <- base *a; out <- b"
    worker = MemoryWorker(contents={"a": "same"})
    await build(text, worker, store)
    worker.contents["a"] = left
    assert await build(text, worker, store, ignore=frozenset({"a"})) == runs
    assert await build(text, worker, store) == {}


async def test_a_result_whose_layers_are_gone_is_a_miss(store: CacheStore) -> None:
    worker = MemoryWorker(contents={"a": "layer-a", "out": "layer-out"})
    await build("base; a <- base; out <- a", worker, store)
    worker.lost.add("layer-out")
    assert await build("base; a <- base; out <- a", worker, store) == {"out": 1}


async def test_independent_vertices_run_at_the_same_time(store: CacheStore) -> None:
    inside = 0
    together = anyio.Event()

    async def meet(name: str) -> None:
        nonlocal inside
        if name in "abc":
            inside += 1
            if inside == 3:
                together.set()
            await together.wait()

    with anyio.fail_after(10):
        await build("base; a <- base; b <- base; c <- base; out <- a b c", MemoryWorker(before=meet), store)


async def test_a_limit_of_one_runs_them_one_after_the_other(store: CacheStore) -> None:
    inside = 0

    async def alone(name: str) -> None:
        nonlocal inside
        if name in "abc":
            inside += 1
            assert inside == 1
            await anyio.lowlevel.checkpoint()
            inside -= 1

    limits = Limits(execs=1)
    await build("base; a <- base; b <- base; c <- base; out <- a b c", MemoryWorker(before=alone), store, limits=limits)


async def test_the_longest_remaining_path_starts_first(store: CacheStore) -> None:
    worker = MemoryWorker()
    text = "base; short <- base; l1 <- base; l2 <- l1; l3 <- l2; out <- short l3"
    await build(text, worker, store, limits=Limits(execs=1))
    assert worker.order == ["base", "l1", "l2", "short", "l3", "out"] or worker.order.index("l1") < worker.order.index(
        "short"
    )


async def test_the_first_failure_cancels_the_rest_and_is_the_error(store: CacheStore) -> None:
    cancelled = []

    async def hang(name: str) -> None:
        if name == "slow":
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled.append(name)
                raise

    events: list[Event] = []
    with pytest.raises(ExecError, match="bad! exited") as caught:
        await build(
            "base; slow <- base; bad! <- base; out <- slow bad", MemoryWorker(before=hang), store, events=events
        )
    assert caught.value.exit_code == 1
    assert cancelled == ["slow"]
    ends = [event.error for event in events if isinstance(event, VertexCompleted)]
    assert sorted(ends) == ["", "bad! exited with code 1", "canceled"]


async def test_what_finished_before_a_failure_is_kept(store: CacheStore) -> None:
    worker = MemoryWorker()
    text = "base; a <- base; bad! <- a; out <- bad"
    with pytest.raises(ExecError):
        await build(text, worker, store)
    assert await build("base; a <- base; out <- a", worker, store) == {"out": 1}


async def test_a_missing_local_file_names_the_vertex(store: CacheStore) -> None:
    with pytest.raises(VertexError, match="copy: 'src' not found"):
        await build("base; copy@src; out <- base copy", MemoryWorker(), store)


async def test_keeping_going_does_all_that_does_not_need_what_failed(store: CacheStore) -> None:
    worker = MemoryWorker()
    text = "base; a <- base; bad! <- base; after <- bad; worse! <- a; b <- a; out <- after worse b"
    with pytest.raises(BuildError, match="2 steps failed") as caught:
        await build(text, worker, store, limits=Limits(keep_going=True))
    assert [error.message for error in caught.value.errors] == ["bad! exited with code 1", "worse! exited with code 1"]
    assert worker.runs == {"base": 1, "a": 1, "bad!": 1, "worse!": 1, "b": 1}


async def test_a_single_failure_is_the_error_also_when_keeping_going(store: CacheStore) -> None:
    with pytest.raises(ExecError, match="bad! exited"):
        await build(
            "base; bad! <- base; a <- base; out <- bad a", MemoryWorker(), store, limits=Limits(keep_going=True)
        )


async def test_what_fails_in_passing_is_tried_again_and_said(store: CacheStore) -> None:
    worker = MemoryWorker(images={"base": "sha256:x"}, flaky={"base": 2, "a": 1})
    events: list[Event] = []
    limits = Limits(retry_delays_s=(0, 0))
    assert await build("base; a <- base; out <- a", worker, store, events=events, limits=limits) == {
        "base": 1,
        "a": 1,
        "out": 1,
    }
    said = [event.data for event in events if isinstance(event, VertexLog)]
    assert said == [b"a: the registry is busy; trying again in 0 s\n"]


async def test_what_fails_for_good_is_not_tried_again(store: CacheStore) -> None:
    worker = MemoryWorker(flaky={"a": 3})
    with pytest.raises(VertexError, match="the registry is busy"):
        await build("base; a <- base; out <- a", worker, store, limits=Limits(retry_delays_s=(0, 0)))
    assert worker.flaky == {"a": 0}
    with pytest.raises(ExecError):
        await build("base; bad! <- base", worker, store, target="bad", limits=Limits(retry_delays_s=(0, 0)))
    assert worker.runs["bad!"] == 1


async def test_vertices_that_turn_out_equal_share_one_result_even_while_running(store: CacheStore) -> None:
    worker = MemoryWorker(contents={"one": "same", "two": "same"})
    # c reads by content what is equal: its two uses differ only by where that comes from
    text = "base; one <- base; two <- base; c <- base *one; d <- c; c <- base *two; e <- c; out <- d e"
    assert (await build(text, worker, store))["c"] == 1


async def test_equal_vertices_share_a_result_also_when_the_cache_is_ignored(store: CacheStore) -> None:
    worker = MemoryWorker(contents={"one": "same", "two": "same"})
    text = "base; one <- base; two <- base; c <- base *one; d <- c; c <- base *two; e <- c; out <- d e"
    await build(text, worker, store)
    everything = frozenset({"one", "two", "c", "d", "e", "out"})
    assert (await build(text, worker, store, ignore=everything))["c"] == 1


async def test_what_took_long_the_last_time_starts_first_the_next(store: CacheStore) -> None:
    async def linger(name: str) -> None:
        if name == "slow":
            await anyio.sleep(0.02)

    text = "base; quick <- base; slow <- base; out <- quick slow"
    await build(text, MemoryWorker(before=linger), store, limits=Limits(execs=1))
    worker = MemoryWorker(images={"base": "sha256:moved"})
    await build(text, worker, store, limits=Limits(execs=1))
    assert worker.order == ["base", "slow", "quick", "out"]


async def test_events_tell_each_vertex_s_story_in_order(store: CacheStore) -> None:
    events: list[Event] = []
    await build("base; out <- base", MemoryWorker(), store, events=events)
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["VertexQueued"] * 2 + ["VertexStarted", "VertexCompleted"] * 2
    starts = {event.vertex for event in events if isinstance(event, VertexStarted)}
    assert len(starts) == 2
