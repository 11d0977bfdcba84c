"""Why a step ran: every cause, from what was recorded of two builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llbuild.blocking import run_blocking
from llbuild.database import open_database
from llbuild.digest import Digest, blake3_digest
from llbuild.llb.codec import pack
from llbuild.solver import SCHEMAS, CacheStore, Event, VertexMissed, solve
from llbuild.solver.derivations import Derivation, Derivations, Input
from llbuild.solver.explain import Cause, explain_miss
from llbuild.solver.nearest import EarlierSteps
from llbuild.solver.reasons import Past
from llbuild.solver.testing import MemoryWorker, parse_graph
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.database import Database

EXEC: dict[str, Any] = {
    "exec": {"args": ["/bin/sh", "-c", "make"], "env": ["PATH=/bin", "VERSION=1"], "mounts": [{"dest": "/"}]}
}
COPY: dict[str, Any] = {"file": {"steps": [{"action": {"copy": {"src": "/src", "dest": "/app"}}}]}}


def listed(*files: tuple[str, str]) -> bytes:
    return b"\x01" + b"".join(pack([name.encode(), 0o100644, 0, 0, {}, text.encode()]) for name, text in files)


LISTINGS = {
    "blake3:01": listed(("a", "1"), ("b", "1")),
    "blake3:02": listed(("a", "2"), ("b", "1"), ("c", "1")),
    "blake3:03": listed(("a", "2"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")),
    "blake3:04": listed(("c", "2")),
}
BASE = Input(kind="source", name="[1/2] FROM docker.io/library/busybox:latest@sha256:aa", value="image@sha256:aa for x")
FILES = Input(kind="files", name="[internal] load build context", value="blake3:01", path="/src")
RESULT = Input(kind="result", name="[1/3] RUN before", value="00ff")


def step(op: dict[str, Any], *inputs: Input, name: str = "[2/3] RUN make", **more: Any) -> Derivation:
    vertex = blake3_digest(pack(op))
    return Derivation(vertex=vertex, name=name, created=1.0, op=op, inputs=inputs, **more)


def changed(op: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ((kind, plain),) = op.items()
    return {kind: {**plain, **fields}}


CASES: list[tuple[Derivation, Derivation, list[tuple[Cause, str, tuple[str, ...]]]]] = [
    (
        step(EXEC, RESULT),
        step(changed(EXEC, args=["/bin/sh", "-c", "make -j4"]), RESULT),
        [(Cause.COMMAND, "the command changed", ("- make", "+ make -j4"))],
    ),
    (
        step(EXEC, RESULT),
        step(changed(EXEC, env=["PATH=/bin", "VERSION=2", "NEW=x"]), RESULT),
        [
            (
                Cause.ENVIRONMENT,
                "build args or variables NEW, VERSION changed",
                ("+ NEW=x", "- VERSION=1", "+ VERSION=2"),
            )
        ],
    ),
    (
        step(EXEC, RESULT),
        step(changed(EXEC, env=["VERSION=1", "PATH=/bin"]), RESULT),
        [(Cause.ENVIRONMENT, "the order of build args and variables changed", ())],
    ),
    (
        step(EXEC, RESULT),
        step(changed(EXEC, user="app", cwd="/src"), RESULT),
        [(Cause.OPTIONS, "cwd, user changed", ("+ cwd: /src", "+ user: app"))],
    ),
    (
        step(COPY, FILES),
        step({"file": {"steps": [{"action": {"copy": {"src": "/src", "dest": "/opt"}}}]}}, FILES),
        [
            (
                Cause.OPTIONS,
                "steps.action.copy.dest changed",
                ("- steps.action.copy.dest: /app", "+ steps.action.copy.dest: /opt"),
            )
        ],
    ),
    (
        step(COPY, FILES),
        step(COPY, replace(FILES, value="blake3:02")),
        [(Cause.FILES, "/src: 2 of 3 files changed: a (content), c (added)", ("a (content)", "c (added)"))],
    ),
    (
        step(COPY, FILES),
        step(COPY, replace(FILES, value="blake3:03")),
        [
            (
                Cause.FILES,
                "/src: 4 of 5 files changed: a (content), c (added), d (added), …",
                ("a (content)", "c (added)", "d (added)", "e (added)"),
            )
        ],
    ),
    (
        step(COPY, replace(FILES, value="blake3:02")),
        step(COPY, replace(FILES, value="blake3:04")),
        [
            (
                Cause.FILES,
                "/src: 3 of 3 files changed: a (removed), b (removed), c (content)",
                ("a (removed)", "b (removed)", "c (content)"),
            )
        ],
    ),
    (
        step(COPY, FILES),
        step(COPY, replace(FILES, value="blake3:99")),
        [(Cause.FILES, "/src: files changed (which ones was not kept)", ())],
    ),
    (
        step(EXEC, BASE),
        step(EXEC, replace(BASE, value="image@sha256:bb for x")),
        [
            (
                Cause.SOURCE,
                "base image docker.io/library/busybox:latest moved from sha256:aa to sha256:bb",
                ("- image@sha256:aa for x", "+ image@sha256:bb for x"),
            )
        ],
    ),
    (
        step(EXEC, BASE),
        step(EXEC, replace(BASE, value="image@sha256:aa for y")),
        [
            (
                Cause.SOURCE,
                "base image docker.io/library/busybox:latest is wanted for y, where it was for x",
                ("- image@sha256:aa for x", "+ image@sha256:aa for y"),
            )
        ],
    ),
    (
        step(EXEC, RESULT),
        step(EXEC, replace(RESULT, value="00aa")),
        [(Cause.INPUT, "built on another result of [1/3] RUN before", ())],
    ),
    (step(EXEC, RESULT), step(EXEC, BASE, RESULT), [(Cause.INPUT, "it is built on other things", ())]),
    (step(EXEC, RESULT), step(EXEC, RESULT), [(Cause.GONE, "its stored result is gone", ())]),
    (
        step(EXEC, RESULT, done=False),
        step(EXEC, RESULT),
        [(Cause.FAILED, "it failed the last time, so no result of it is stored", ())],
    ),
    (
        step(EXEC, RESULT),
        step(EXEC, RESULT, ignored=True),
        [(Cause.IGNORED, "the cache was to be ignored (--no-cache)", ())],
    ),
    (
        step(EXEC, RESULT),
        step(EXEC, RESULT, platform="linux/arm64"),
        [(Cause.OPTIONS, "platform changed", ("- platform: ", "+ platform: linux/arm64"))],
    ),
    (
        step(EXEC, BASE, RESULT),
        step(
            changed(EXEC, args=["/bin/sh", "-c", "make\ntest"]),
            replace(BASE, value="image@sha256:bb for x"),
            replace(RESULT, value="00aa"),
        ),
        [
            (Cause.COMMAND, "the command changed", ("- make", "+ make", "+ test")),
            (
                Cause.SOURCE,
                "base image docker.io/library/busybox:latest moved from sha256:aa to sha256:bb",
                ("- image@sha256:aa for x", "+ image@sha256:bb for x"),
            ),
            (Cause.INPUT, "built on another result of [1/3] RUN before", ()),
        ],
    ),
]


@pytest.mark.parametrize(("before", "now", "told"), CASES)
def test_each_difference_is_told(
    before: Derivation, now: Derivation, told: list[tuple[Cause, str, tuple[str, ...]]]
) -> None:
    reasons = explain_miss(now, before, LISTINGS.get)
    assert [(reason.cause, reason.summary, reason.details) for reason in reasons] == told


def test_a_step_like_none_before_is_new() -> None:
    (reason,) = explain_miss(step(EXEC), None, LISTINGS.get)
    assert reason.cause is Cause.NEW


NEAREST = [  # newest first
    ("[2/3] RUN make", ["[2/3] RUN make all", "[3/3] RUN make"], 1),  # moved
    ("[2/3] RUN make", ["[9/9] RUN make", "[2/3] RUN make all", "[2/3] RUN make"], 0),  # moved in the newest build
    ("[4/5] RUN true", ["[2/4] RUN true", "[3/4] RUN true", "[4/4] RUN true", "[4/6] RUN true"], 2),
    ("[build 2/3] RUN make", ["[test 2/3] RUN make", "[build 2/3] RUN make -j4"], 1),  # the place, not another stage
    ("[make 2/3] RUN make", ["[2/3] RUN make -j4", "[build 7/7] RUN make"], 1),  # the stage has another name
    ("[2/3] RUN make -j4", ["[1/3] RUN cat x", "[2/3] RUN make"], 1),
    ("[2/3] RUN quite another thing", ["[2/3] RUN make"], 0),  # the same place
    ("[2/3] RUN make -j4", ["[2/3] RUN other", "[2/3] RUN make", "[2/3] RUN mike"], 1),
    ("[build 2/3] RUN make -j4", ["[2/9] RUN ls", "[test 7/9] RUN make -j2"], 1),
    ("[2/3] RUN make", ["[2/3] COPY . .", "[1/7] RUN apt-get update && apt-get install -y everything"], None),
    ("make all", ["make test", "make al"], 1),
    ("[2/3] RUN make", [], None),
]


@pytest.mark.parametrize(("name", "earlier", "chosen"), NEAREST)
def test_the_likest_step_has_the_same_text_or_place_or_much_the_same_text(
    name: str, earlier: list[str], chosen: int | None
) -> None:
    steps = EarlierSteps((other, number) for number, other in enumerate(earlier))
    assert next(steps.like(name), None) == chosen


def test_a_process_is_never_held_against_a_copy(store: CacheStore) -> None:
    store.derivations.record([step(COPY, name="one")])
    store.derivations.record([step(COPY, name="two")])
    (reason,) = Past(store.derivations, 2.0).reasons_of(step(EXEC, name="one"))
    assert reason.cause is Cause.NEW


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db", SCHEMAS)


@pytest.fixture
def store(database: Database) -> CacheStore:
    return CacheStore(database)


def test_a_derivation_comes_back_as_it_was_with_its_listings(store: CacheStore) -> None:
    known = step(EXEC, BASE, FILES, RESULT, platform="linux/amd64", resolved="r", ignored=True, done=False)
    digest = blake3_digest(b"listing")
    store.derivations.record([known], {digest: LISTINGS["blake3:01"], blake3_digest(b"long"): b""})
    assert store.derivations.of_vertex(known.vertex, 2.0) == known
    assert store.derivations.of_vertex(known.vertex, 1.0) is None
    assert store.derivations.of_build(known.vertex, 0.5, 1.0) == known
    assert store.derivations.of_build(known.vertex, 1.5, 2.0) is None
    assert store.derivations.listing(digest) == LISTINGS["blake3:01"]
    assert store.derivations.listing(blake3_digest(b"long")) is None


def test_of_each_name_the_newest_is_offered_newest_first(store: CacheStore) -> None:
    for number, name in enumerate(("a", "b", "a", "c")):
        store.derivations.record([replace(step(EXEC, name=name), created=float(number))])
    assert [name for name, _ in store.derivations.names(3.0)] == ["a", "b"]
    (newest, _), (name, number), *_ = store.derivations.names(9.0)
    assert (newest, name) == ("c", "a")
    found = store.derivations.get(number)
    assert found is not None
    assert (found.name, found.created) == ("a", 2.0)
    assert store.derivations.get(99) is None


def test_only_so_many_records_and_listings_are_kept(database: Database) -> None:
    small = Derivations(database, kept=300, kept_listing_bytes=2_000)
    for number in range(1024):
        data = bytes([number % 251]) * 5 + number.to_bytes(4, "big")
        small.record([replace(step(EXEC, name=str(number)), created=float(number))], {blake3_digest(data): data})
    assert len(small.names(9999.0)) == 300
    assert small.listing(blake3_digest(data)) == data
    assert small.listing(blake3_digest(bytes([0]) * 5 + (0).to_bytes(4, "big"))) is None


@pytest.mark.anyio
async def test_a_build_tells_the_reason_of_each_miss(store: CacheStore) -> None:
    async def reasons(text: str, worker: MemoryWorker, ignore: frozenset[str] = frozenset()) -> dict[str, str]:
        events: list[Event] = []
        definition = parse_graph(text, ignore_cache=ignore).definition("out")
        await solve([definition], worker, store, events.append, explain=True)
        names = {digest: said.name for digest, said in definition.metadata}
        return {names[event.vertex]: event.reason for event in events if isinstance(event, VertexMissed)}

    text = "base; copy@src; a <- base; out <- a copy"
    worker = MemoryWorker(files={"src": "one"}, images={"base": "sha256:aa"})
    assert await reasons(text, worker) == {}  # all of it is new
    worker.files["src"] = "two"
    assert await reasons(text, worker) == {
        "copy": "/src: 1 of 1 file changed: file0 (content)",
        "out": "built on another result of copy",
    }
    told = await reasons(text, worker, ignore=frozenset({"a", "out"}))
    assert set(told.values()) == {"the cache was to be ignored (--no-cache)"}
    worker.images["base"] = "sha256:bb"
    told = await reasons(text, worker)
    assert told["a"] == "base moved from sha256:aa to sha256:bb"
    assert told["out"] == "built on another result of a"


@pytest.mark.anyio
async def test_what_a_build_recorded_explains_it_afterwards(store: CacheStore) -> None:
    worker = MemoryWorker(files={"src": "one"})
    definition = parse_graph("base; copy@src; out <- base copy").definition("out")
    await solve([definition], worker, store, lambda _: None)
    worker.files["src"] = "two"
    await solve([definition], worker, store, lambda _: None)
    names = {said.name: digest for digest, said in definition.metadata}
    last = await run_blocking(store.derivations.of_vertex, names["copy"], 9e12)
    assert last is not None
    (reason,) = await run_blocking(Past(store.derivations, last.created).reasons_of, last)
    assert (reason.cause, reason.details) == (Cause.FILES, ("file0 (content)",))


def test_a_vertex_s_digest_is_kept_whole(store: CacheStore) -> None:
    one = Digest("blake3:" + "ab" * 32)
    store.derivations.record([replace(step(EXEC), vertex=one)])
    found = store.derivations.of_vertex(one, 2.0)
    assert found is not None
    assert found.vertex == one
