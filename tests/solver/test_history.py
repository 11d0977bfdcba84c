"""Builds on record: what is kept, for how long, and what is said of those that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.database import Database, open_database
from llbuild.digest import Digest, blake3_digest, sha256_digest
from llbuild.errors import BuildWarning, NotFoundError
from llbuild.llb import Definition, Metadata, SourceFile, encode_definition, image, scratch
from llbuild.solver import (
    HISTORY_SCHEMA,
    BuildDetails,
    BuildRecord,
    BuildStatus,
    BuildSummary,
    History,
    LogChunk,
    Outcome,
    ProcessUsage,
    Step,
    StepLog,
)
from llbuild.span import Span
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_700_000_000.25
EXPORT = blake3_digest(b"exporting")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db", [HISTORY_SCHEMA])


def definition(command: str = "make", *, name: str = "RUN make", text: bytes = b"FROM x") -> Definition:
    state = image("docker.io/library/busybox:latest").run(command, metadata=Metadata(name=name)).root
    return state.marshal(sources=(SourceFile(path="Dockerfile", data=text),))


USAGE = ProcessUsage(0.25, 0.125, 1 << 20, 512, 4096)
MAKE = definition().vertices[1].digest


def build(*definitions: Definition, number: int = 0) -> BuildRecord:
    summary = BuildSummary(started=T0 + number, completed=T0 + number + 1.5, status=BuildStatus.COMPLETED)
    return BuildRecord(summary=summary, definitions=definitions)


def whole() -> BuildRecord:
    """A build with everything there is to say of one."""
    graph = definition()
    return BuildRecord(
        summary=BuildSummary(
            started=T0,
            completed=T0 + 3,
            status=BuildStatus.FAILED,
            error="RUN make: exit code 2",
            names=("docker.io/library/a:latest", "docker.io/library/b:1"),
            context="/home/é",
            target="build",
            platform="linux/arm64/v8",
            result=sha256_digest(b"manifest"),
            cached=1,
            executed=2,
        ),
        steps=(
            Step(vertex=graph.vertices[0].digest, outcome=Outcome.UNNEEDED),
            Step(
                vertex=MAKE,
                outcome=Outcome.FAILED,
                started=T0 + 0.5,
                completed=T0 + 2,
                error="exit code 2",
                usage=USAGE,
            ),
            Step(vertex=EXPORT, outcome=Outcome.EXECUTED, name="exporting", started=T0, completed=T0),
        ),
        definitions=(graph,),
        details=BuildDetails(
            frontend="dockerfile",
            options=(("build-arg:A", "é"), ("no-cache", "")),
            version="1.2.3",
            cpus=8,
            limit=3,
            warnings=(
                BuildWarning(
                    rule="Rule",
                    message="change it",
                    at=Span("Dockerfile", 2, 1, 3),
                    url="https://x",
                    description="why",
                    focus=Span("Dockerfile", 2, 5, 2, 9),
                ),
                BuildWarning(rule="Other", message="nowhere"),
            ),
            report="error: make failed\n",
            sources=(SourceFile(path="Dockerfile", data=b"\xff"),),
        ),
    )


def printed(text: bytes, vertex: Digest = MAKE) -> StepLog:
    return StepLog(vertex=vertex, head=(LogChunk(1, T0 + 1, text),))


def test_what_was_recorded_is_read_back(database: Database) -> None:
    history = History(database)
    number = history.record(whole())
    assert history.load(str(number)) == replace(whole(), summary=replace(whole().summary, id=number))
    assert history.summaries() == [replace(whole().summary, id=number)]


def test_times_keep_their_microseconds(database: Database) -> None:
    step = replace(whole().steps[1], started=T0 + 0.123457, completed=T0 + 86_400.000001)
    history = History(database)
    history.record(replace(whole(), steps=(step,)))
    (found,) = history.load("last").steps
    assert found.duration_s == pytest.approx(86_399.876544, abs=1e-6)


def test_the_newest_comes_first_and_is_the_last(database: Database) -> None:
    history = History(database)
    numbers = [history.record(build(number=number)) for number in range(3)]
    assert [summary.id for summary in history.summaries()] == numbers[::-1]
    assert history.load("last").summary.id == numbers[-1]


def test_builds_of_one_graph_share_its_bytes(database: Database) -> None:
    history = History(database)
    for _ in range(3):
        history.record(build(definition()))
    assert database.query("SELECT count(*) FROM definitions") == [(1,)]
    assert history.load("last").definitions == (definition(),)


@pytest.mark.parametrize(
    "other",
    [
        definition("make all"),
        definition(name="RUN --network=none make"),
        definition(text=b"# comment\nFROM x"),
        replace(definition(), root=None),
        replace(definition(), metadata=((MAKE, Metadata(name="RUN make", ignore_cache=True)),)),
    ],
)
def test_graphs_that_differ_in_anything_seen_are_kept_apart(database: Database, other: Definition) -> None:
    history = History(database)
    history.record(build(definition()))
    history.record(build(other))
    assert history.load("1").definitions == (definition(),)
    assert history.load("2").definitions == (other,)


def test_a_build_may_have_several_graphs_or_none(database: Database) -> None:
    history = History(database)
    history.record(build(definition("one"), definition("two")))
    assert history.load("last").definitions == (definition("one"), definition("two"))
    history.record(build())
    assert history.load("last").definitions == ()
    history.record(build(scratch().marshal()))
    assert history.load("last").definitions == (Definition(),)


def test_only_the_newest_builds_are_kept_with_their_graphs_and_numbers_are_never_reused(database: Database) -> None:
    history = History(database, kept=5)
    numbers = [history.record(build(definition(f"make {number // 2}"), number=number)) for number in range(100)]
    assert numbers == list(range(1, 101))
    assert [summary.id for summary in history.summaries()] == [100, 99, 98, 97, 96]
    for table in ("builds", "details", "graphs", "definitions"):
        ((count,),) = database.query(f"SELECT count(*) FROM {table}")
        assert count <= 5 + 16, table
    for summary in history.summaries():
        assert history.load(str(summary.id)).definitions == (definition(f"make {(summary.id - 1) // 2}"),)


@pytest.mark.parametrize("wanted", ["4", "0", "-1", "x", "", "9" * 40, "\u0661", "1.0", "1; DROP TABLE builds"])
def test_a_build_that_is_not_there_is_answered_with_those_that_are(database: Database, wanted: str) -> None:
    history = History(database)
    for _ in range(3):
        history.record(build())
    with pytest.raises(NotFoundError) as caught:
        history.load(wanted)
    assert caught.value.message == f"no build {wanted!r} is recorded"
    assert caught.value.hint == "known builds: last, 3, 2, 1 ('llbuild builds' lists them)"


@pytest.mark.parametrize("wanted", ["last", "1"])
def test_where_nothing_was_built_that_is_said(database: Database, wanted: str) -> None:
    with pytest.raises(NotFoundError, match="no build is recorded here yet"):
        History(database).load(wanted)


def test_the_bytes_kept_are_a_definition_as_others_read_it(database: Database) -> None:
    History(database).record(build(definition()))
    assert database.query("SELECT data FROM definitions") == [(encode_definition(definition()),)]


def test_logs_are_read_when_asked_for_of_all_steps_or_of_one(database: Database) -> None:
    history = History(database)
    cut = StepLog(
        vertex=EXPORT, head=(LogChunk(2, T0 + 0.5, b"a"),), tail=(LogChunk(1, T0 + 2, b"z"),), dropped_bytes=9
    )
    history.record(whole(), [printed(b"cc -o x\n"), cut])
    build = history.load("last").summary
    assert history.logs(build) == (printed(b"cc -o x\n"), cut)
    assert history.logs(build, EXPORT) == (cut,)
    assert history.logs(build, blake3_digest(b"silent")) == ()


def test_of_the_logs_the_newest_that_fit_are_kept(database: Database) -> None:
    history = History(database, kept_log_bytes=200)
    noise = [bytes(blake3_digest(b"%d" % number).hex, "ascii") * 2 for number in range(6)]
    for text in noise:
        history.record(build(), [printed(text)])
    history.record(build())
    kept = [number for number in range(1, 8) if history.logs(history.load(str(number)).summary)]
    assert kept == [5, 6]
    assert len(history.summaries()) == 7
    assert [row[0] for row in database.query("SELECT build FROM details WHERE log_bytes > 0")] == kept


def test_a_silent_build_leaves_nothing_among_the_logs(database: Database) -> None:
    History(database).record(whole())
    assert database.query("SELECT count(*) FROM logs") == [(0,)]


def test_removed_builds_are_gone_with_all_that_was_theirs_and_leave_no_number_behind(database: Database) -> None:
    history = History(database)
    for number in range(3):
        history.record(build(definition(f"make {number}")), [printed(b"x")])
    history.remove([3, 1, 77])
    assert [summary.id for summary in history.summaries()] == [2]
    for table in ("builds", "details", "logs", "graphs", "definitions"):
        assert database.query(f"SELECT count(*) FROM {table}") == [(1,)], table
    assert history.record(build()) == 4
    history.remove([])
    history.remove([2, 4])
    assert history.record(build()) == 5
    history.remove([5])
    history.remove([5])
    assert history.record(build()) == 6


def test_what_an_older_llbuild_recorded_is_still_read(database: Database) -> None:
    history = History(database)
    history.record(build(definition()))
    database.execute("DELETE FROM details")
    assert history.load("last").details == BuildDetails()


def test_a_build_knows_its_build_files_wherever_they_are_kept(database: Database) -> None:
    kept = replace(build(definition()), details=BuildDetails(sources=(SourceFile(path="a", data=b"1"),)))
    assert {path: source.data for path, source in kept.sources().items()} == {"a": b"1", "Dockerfile": b"FROM x"}
