"""A build on record with everything there is to tell of one, and a history with it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llbuild.database import open_database
from llbuild.digest import blake3_digest
from llbuild.errors import BuildWarning
from llbuild.llb import SourceFile
from llbuild.solver import (
    HISTORY_SCHEMA,
    SCHEMAS,
    BuildDetails,
    BuildRecord,
    BuildStatus,
    History,
    LogChunk,
    Outcome,
    Step,
    StepLog,
)
from llbuild.span import Span
from llbuild.tests.cli.drawing.samples import T0, half_cached, ran, record_of, two_stages
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.digest import Digest

EXPORT = blake3_digest(b"exporting image")
DOCKERFILE = b'FROM busybox AS build\n# <!-- odd & "quoted" -->\nCOPY src /src\nRUN make\n'


def vertex(ending: str) -> Digest:
    """The vertex of `two_stages` whose name ends so."""
    (found,) = [digest for digest, said in two_stages().metadata if said.name.endswith(ending)]
    return found


def completed() -> BuildRecord:
    """Half cached; make printed something."""
    record = half_cached()
    exported = Step(
        vertex=EXPORT, outcome=Outcome.EXECUTED, name="exporting image", started=T0 + 2.8, completed=T0 + 3.9
    )
    return replace(
        record,
        summary=replace(
            record.summary, names=("docker.io/library/app:latest",), context="/src/app", cached=1, executed=4
        ),
        steps=(*record.steps, exported),
        details=BuildDetails(
            frontend="dockerfile",
            options=(("build-arg:VERSION", "1\n2"), ("no-cache", "")),
            version="9.8.7",
            cpus=2,
            warnings=(
                BuildWarning(
                    rule="SomeRule", message="write <it> otherwise", at=Span("Dockerfile", 3), url="https://x/y"
                ),
                BuildWarning(rule="Homeless", message="about no line"),
            ),
            sources=(SourceFile(path="Dockerfile", data=DOCKERFILE),),
        ),
    )


def failed() -> BuildRecord:
    """Make failed, the other stage was stopped, the end never reached."""
    record = record_of(
        two_stages(),
        {
            "load build context": ran(Outcome.EXECUTED, 0.5, 0.6),
            "COPY src /src": ran(Outcome.EXECUTED, 0.6, 0.7),
            "<check>": ran(Outcome.FAILED, 1.0, 1.7, 'process "make" exited with code 2'),
            "adduser app": ran(Outcome.CANCELED, 0.7, 1.7, "canceled"),
            "/app /": Step(vertex=EXPORT, outcome=Outcome.CANCELED),
        },
    )
    summary = replace(
        record.summary, status=BuildStatus.FAILED, error="make: <exit code 2>", completed=T0 + 2, executed=2
    )
    return replace(
        record, summary=summary, details=BuildDetails(report="error: make: <exit code 2>\nhint: \x1b[1mlook\n")
    )


def logs() -> tuple[StepLog, ...]:
    """Of make: two streams, an escape sequence, and a part that was not kept."""
    return (
        StepLog(
            vertex=vertex("<check>"),
            head=(LogChunk(1, T0 + 1.25, b"cc <a.c> && \x1b[31mred\x1b[0m\npart"), LogChunk(2, T0 + 1.5, b"warning\n")),
            tail=(LogChunk(1, T0 + 2.5, b"the end"),),
            dropped_bytes=12_345,
        ),
    )


def history_in(root: Path) -> History:
    """The history of a new state folder."""
    root.mkdir(exist_ok=True)
    return History(open_database(root / "state.db", [*SCHEMAS, HISTORY_SCHEMA]))
