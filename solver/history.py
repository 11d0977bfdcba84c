"""Build history: what each build was, and how its steps ended.

    builds(id, started, completed, status, error, names, context, target, platform, result, cached, executed, steps)
    graphs(build, number, definition)      the definitions of a build; none when it failed before there was one
    definitions(id, data)                  native bytes, once however many builds share them

Times are seconds since 1970. `names` and `steps` are msgpack. A step is
[vertex, outcome, started, completed, error, name]: the vertex's 32 bytes, the outcome's number, microseconds
since the build started or nil, and a name only where no definition has one. A build is written and read whole,
so its steps are one value: thousands of rows would cost a cached build more than all the rest of it.

The newest builds are kept. Only the oldest ever go, and not all of them, so no number is given out twice.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from ..database import Schema
from ..digest import Digest, blake3_digest
from ..errors import NotFoundError
from ..llb import decode_definition, encode_definition
from ..llb.codec import pack, unpack
from ..values import frozen

if TYPE_CHECKING:
    from ..database import Database
    from ..llb import Definition

__all__ = ["HISTORY_SCHEMA", "BuildRecord", "BuildStatus", "BuildSummary", "History", "Outcome", "Step"]

HISTORY_SCHEMA = Schema(
    "history",
    1,
    (
        """CREATE TABLE IF NOT EXISTS builds (
            id INTEGER PRIMARY KEY, started REAL NOT NULL, completed REAL NOT NULL, status TEXT NOT NULL,
            error TEXT NOT NULL, names BLOB NOT NULL, context TEXT NOT NULL, target TEXT NOT NULL,
            platform TEXT NOT NULL, result TEXT NOT NULL, cached INTEGER NOT NULL, executed INTEGER NOT NULL,
            steps BLOB NOT NULL
        )""",
        """CREATE TABLE IF NOT EXISTS graphs (
            build INTEGER NOT NULL, number INTEGER NOT NULL, definition BLOB NOT NULL, PRIMARY KEY (build, number)
        ) WITHOUT ROWID""",
        "CREATE TABLE IF NOT EXISTS definitions (id BLOB PRIMARY KEY, data BLOB NOT NULL)",
    ),
)
KEPT = 100
_FORGET_EVERY = 16  # builds: what is dropped is spread over the file, and each page of it costs every build a little
_SUMMARY = "id, started, completed, status, error, names, context, target, platform, result, cached, executed"
_MOST_NAMED = 8  # builds in the hint of an error


class BuildStatus(Enum):
    """How a build ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class Outcome(Enum):
    """How a step ended. The numbers are stored."""

    CACHED = 1  # its stored result served
    EXECUTED = 2
    FAILED = 3
    CANCELED = 4  # stopped, or (never started) not reached, because another failed or the user stopped the build
    UNNEEDED = 5  # a result further up spared it: nobody looked for its own


@frozen
class Step:
    """One step of a build: a vertex of its graph, or something beside it (asking a registry, exporting).

    `name` is empty for vertices, which have theirs in the definition. Times are None for what never started.
    """

    vertex: Digest
    outcome: Outcome
    name: str = ""
    started: float | None = None
    completed: float | None = None
    error: str = ""

    @property
    def duration_s(self) -> float:
        """0.0 for what never ran."""
        return 0.0 if self.started is None or self.completed is None else max(0.0, self.completed - self.started)


@frozen
class BuildSummary:
    """A build, without its steps. `id` 0: not recorded yet. `names` are full; `context` is a folder, "" for none.

    `result` is the digest of what was made, None for plain files and for what failed. `cached` counts the steps
    that stored results spared, `executed` those that ran.
    """

    id: int = 0
    started: float
    completed: float
    status: BuildStatus
    error: str = ""
    names: tuple[str, ...] = ()
    context: str = ""
    target: str = ""
    platform: str = ""
    result: Digest | None = None
    cached: int = 0
    executed: int = 0

    @property
    def duration_s(self) -> float:
        return max(0.0, self.completed - self.started)


@frozen
class BuildRecord:
    """A build with everything known of it."""

    summary: BuildSummary
    steps: tuple[Step, ...] = ()
    definitions: tuple[Definition, ...] = ()

    def outcomes(self) -> dict[Digest, Step]:
        """The steps by vertex."""
        return {step.vertex: step for step in self.steps}


class History:
    """The builds of a state folder, on its open database; the newest `kept` of them. Synchronous and short."""

    def __init__(self, database: Database, kept: int = KEPT) -> None:
        self._database = database
        self._kept = kept

    def record(self, build: BuildRecord) -> int:
        """Add a build and return its number; now and then, drop what is too old. Raises StoreError."""
        row = _summary_row(build.summary)
        steps = pack([_plain_step(step, build.summary.started) for step in build.steps])
        definitions = [(_identity(definition), definition) for definition in build.definitions]
        with self._database.transaction():
            columns = _SUMMARY.removeprefix("id, ")
            number = self._database.execute(
                f"INSERT INTO builds ({columns}, steps) VALUES ({', '.join('?' * (len(row) + 1))})",  # noqa: S608  constants
                (*row, steps),
            )
            for place, (identity, definition) in enumerate(definitions):
                self._keep(identity, definition)
                self._database.execute("INSERT INTO graphs VALUES (?, ?, ?)", (number, place, identity))
            if number % _FORGET_EVERY == 0:
                self._forget(number - self._kept)
        self._database.settle()
        return number

    def _keep(self, identity: bytes, definition: Definition) -> None:
        if not self._database.query("SELECT 1 FROM definitions WHERE id = ?", (identity,)):
            data = encode_definition(definition)
            self._database.execute("INSERT INTO definitions VALUES (?, ?)", (identity, data))

    def _forget(self, last: int) -> None:
        """Drop the builds up to number `last`, and the definitions that no other build has."""
        self._database.execute("DELETE FROM builds WHERE id <= ?", (last,))
        self._database.execute("DELETE FROM graphs WHERE build <= ?", (last,))
        self._database.execute("DELETE FROM definitions WHERE id NOT IN (SELECT definition FROM graphs)")

    def summaries(self) -> list[BuildSummary]:
        """Newest first."""
        rows = self._database.query(f"SELECT {_SUMMARY} FROM builds ORDER BY id DESC LIMIT ?", (self._kept,))  # noqa: S608
        return [_summary(row) for row in rows]

    def load(self, build: str) -> BuildRecord:
        """The build of that number, or the `last` one.

        Raises NotFoundError naming those there are.
        """
        wanted = "SELECT max(id) FROM builds" if build == "last" else "SELECT CAST(? AS INTEGER)"
        if build != "last" and not (build.isascii() and build.isdecimal() and len(build) < 19):
            raise self._unknown(build)
        rows = self._database.query(
            f"SELECT steps, {_SUMMARY} FROM builds WHERE id = ({wanted})",  # noqa: S608  two constants
            () if build == "last" else (build,),
        )
        if not rows:
            raise self._unknown(build)
        ((steps, *row),) = rows
        summary = _summary(tuple(row))
        return BuildRecord(
            summary=summary,
            steps=tuple(_step(plain, summary.started) for plain in unpack(steps)),
            definitions=tuple(decode_definition(data) for data in self._definitions(summary.id)),
        )

    def _definitions(self, build: int) -> list[bytes]:
        rows = self._database.query(
            "SELECT data FROM graphs JOIN definitions ON id = definition WHERE build = ? ORDER BY number", (build,)
        )
        return [data for (data,) in rows]

    def _unknown(self, build: str) -> NotFoundError:
        known = [str(number) for (number,) in self._database.query("SELECT id FROM builds ORDER BY id DESC")]
        if not known:
            return NotFoundError("no build is recorded here yet", hint="run 'llbuild build' first, or check --root")
        shown = ", ".join(known[:_MOST_NAMED]) + (", …" if len(known) > _MOST_NAMED else "")
        return NotFoundError(
            f"no build {build!r} is recorded", hint=f"known builds: last, {shown} ('llbuild builds' lists them)"
        )


def _identity(definition: Definition) -> bytes:
    """What tells definitions apart: vertices, root, what they are called and told, and the build files.

    Their bytes would do as well, but take 10 µs a vertex to make, and a cached build rarely has new ones.
    """
    root = definition.root
    said = [
        [] if root is None else [root.vertex, root.output],
        [vertex.digest for vertex in definition.vertices],
        [[digest, metadata.name, metadata.ignore_cache] for digest, metadata in definition.metadata],
        [[source.path, source.data] for source in definition.sources],
    ]
    return bytes.fromhex(blake3_digest(pack(said)).hex)


def _summary_row(summary: BuildSummary) -> tuple[object, ...]:
    return (
        summary.started,
        summary.completed,
        summary.status.value,
        summary.error,
        pack(list(summary.names)),
        summary.context,
        summary.target,
        summary.platform,
        summary.result or "",
        summary.cached,
        summary.executed,
    )


def _summary(row: tuple[Any, ...]) -> BuildSummary:
    number, started, completed, status, error, names, context, target, platform, result, cached, executed = row
    return BuildSummary(
        id=number,
        started=started,
        completed=completed,
        status=BuildStatus(status),
        error=error,
        names=tuple(unpack(names)),
        context=context,
        target=target,
        platform=platform,
        result=Digest(result) if result else None,
        cached=cached,
        executed=executed,
    )


def _plain_step(step: Step, since: float) -> list[object]:
    vertex = bytes.fromhex(step.vertex.hex)
    return [
        vertex,
        step.outcome.value,
        _microseconds(step.started, since),
        _microseconds(step.completed, since),
        step.error,
        step.name,
    ]


def _microseconds(at: float | None, since: float) -> int | None:
    return None if at is None else round((at - since) * 1_000_000)


def _step(plain: list[Any], since: float) -> Step:
    vertex, outcome, started, completed, error, name = plain
    return Step(
        vertex=Digest(f"blake3:{vertex.hex()}"),
        outcome=Outcome(outcome),
        name=name,
        started=None if started is None else since + started / 1_000_000,
        completed=None if completed is None else since + completed / 1_000_000,
        error=error,
    )
