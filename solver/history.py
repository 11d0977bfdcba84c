"""Build history: what each build was, how its steps ended, and what they printed.

    builds(id, started, completed, status, error, names, context, target, platform, result, cached, executed, steps)
    details(build, data, log_bytes)        what was asked and what was said beside the log
    logs(build, number, vertex, data)      what one step printed: `buildlog`
    graphs(build, number, definition)      the definitions of a build; none when it failed before there was one
    definitions(id, data)                  native bytes, once however many builds share them
    spent(number)                          the highest number there was when builds were last removed

Times are seconds since 1970. `names`, `steps` and `details.data` are msgpack. A step is
[vertex, outcome, started, completed, error, name, user, system, memory]: the vertex's 32 bytes, the outcome's number,
microseconds since the build started or nil, a name only where no definition has one, and, where a process ran, its
CPU time in microseconds and its largest memory in bytes. A build is written and read whole,
so its steps are one value: thousands of rows would cost a cached build more than all the rest of it. Logs are
apart, since they are large and mostly nobody asks for them.

The newest builds are kept, and of their logs the newest that fit. No number is given out twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..database import Schema
from ..digest import Digest, blake3_bytes
from ..errors import BuildWarning, NotFoundError
from ..llb import SourceFile, decode_definition, encode_definition
from ..llb.codec import pack, unpack
from ..span import Span
from .builds import BuildDetails, BuildRecord, BuildStatus, BuildSummary, Outcome, ProcessUsage, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..database import Database
    from ..llb import Definition
    from .buildlog import StepLog

__all__ = ["HISTORY_SCHEMA", "History"]

HISTORY_SCHEMA = Schema(
    "history",
    2,
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
        """CREATE TABLE IF NOT EXISTS details (
            build INTEGER PRIMARY KEY, data BLOB NOT NULL, log_bytes INTEGER NOT NULL
        )""",
        """CREATE TABLE IF NOT EXISTS logs (
            build INTEGER NOT NULL, number INTEGER NOT NULL, vertex BLOB NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (build, number)
        )""",
        "CREATE TABLE IF NOT EXISTS spent (number INTEGER NOT NULL)",
    ),
)
KEPT = 100
KEPT_LOG_BYTES = 256 << 20  # as stored
_FORGET_EVERY = 16  # builds: what is dropped is spread over the file, and each page of it costs every build a little
_SUMMARY = "id, started, completed, status, error, names, context, target, platform, result, cached, executed"
_NEXT = "1 + max(coalesce((SELECT max(id) FROM builds), 0), coalesce((SELECT max(number) FROM spent), 0))"
_TABLES = {"builds": "id", "details": "build", "graphs": "build", "logs": "build"}
_LONGEST_NUMBER = 19  # digits; SQLite's integers have 64 bits
_MOST_NAMED = 8  # builds in the hint of an error


class History:
    """The builds of a state folder, on its open database. Synchronous and short."""

    def __init__(self, database: Database, kept: int = KEPT, kept_log_bytes: int = KEPT_LOG_BYTES) -> None:
        """Keeps that many of the newest builds, and as many of the newest logs as fit."""
        self._database = database
        self._kept = kept
        self._kept_log_bytes = kept_log_bytes

    def record(self, build: BuildRecord, logs: Sequence[StepLog] = ()) -> int:
        """Add a build and return its number; now and then, drop what is too old. Raises StoreError."""
        since = build.summary.started
        row = _summary_row(build.summary)
        steps = pack([_plain_step(step, since) for step in build.steps])
        details = pack(_plain_details(build.details))
        definitions = [(_identity(definition), definition) for definition in build.definitions]
        stored = _stored_logs(logs, since)
        log_bytes = sum(len(data) for _, data in stored)
        with self._database.transaction():
            marks = ", ".join("?" * (len(row) + 1))
            number = self._database.execute(
                f"INSERT INTO builds ({_SUMMARY}, steps) VALUES ({_NEXT}, {marks})",  # noqa: S608  constants
                (*row, steps),
            )
            self._database.execute("INSERT INTO details VALUES (?, ?, ?)", (number, details, log_bytes))
            for place, (identity, definition) in enumerate(definitions):
                self._keep(identity, definition)
                self._database.execute("INSERT INTO graphs VALUES (?, ?, ?)", (number, place, identity))
            for place, (vertex, data) in enumerate(stored):
                self._database.execute("INSERT INTO logs VALUES (?, ?, ?, ?)", (number, place, vertex, data))
            if log_bytes:
                self._forget_logs()
            if number % _FORGET_EVERY == 0:
                self._forget(number - self._kept)
        self._database.settle()
        return number

    def remove(self, builds: Iterable[int]) -> None:
        """Forget these builds; those that are not there, too. Raises StoreError."""
        with self._database.transaction():
            numbers = [(number,) for number in builds]
            self._database.execute("INSERT INTO spent SELECT max(id) FROM builds HAVING max(id) IS NOT NULL")
            self._database.execute("DELETE FROM spent WHERE number < (SELECT max(number) FROM spent)")
            for table, column in _TABLES.items():
                self._database.execute_many(f"DELETE FROM {table} WHERE {column} = ?", numbers)  # noqa: S608  constants
            self._drop_definitions()

    def _keep(self, identity: bytes, definition: Definition) -> None:
        if not self._database.query("SELECT 1 FROM definitions WHERE id = ?", (identity,)):
            data = encode_definition(definition)
            self._database.execute("INSERT INTO definitions VALUES (?, ?)", (identity, data))

    def _forget(self, last: int) -> None:
        """Drop the builds up to number `last`, and the definitions that no other build has."""
        for table, column in _TABLES.items():
            self._database.execute(f"DELETE FROM {table} WHERE {column} <= ?", (last,))  # noqa: S608  constants
        self._drop_definitions()

    def _drop_definitions(self) -> None:
        self._database.execute("DELETE FROM definitions WHERE id NOT IN (SELECT definition FROM graphs)")

    def _forget_logs(self) -> None:
        """Drop the oldest logs beyond what is kept."""
        total = 0
        for build, log_bytes in self._database.query(
            "SELECT build, log_bytes FROM details WHERE log_bytes > 0 ORDER BY build DESC"
        ):
            total += log_bytes
            if total > self._kept_log_bytes:
                self._database.execute("DELETE FROM logs WHERE build = ?", (build,))
                self._database.execute("UPDATE details SET log_bytes = 0 WHERE build = ?", (build,))

    def summaries(self) -> list[BuildSummary]:
        """Newest first."""
        rows = self._database.query(f"SELECT {_SUMMARY} FROM builds ORDER BY id DESC LIMIT ?", (self._kept,))  # noqa: S608
        return [_summary(row) for row in rows]

    def number(self, build: str) -> int:
        """The number of a build, given as text or as `last`. Raises NotFoundError naming those there are."""
        if build == "last":
            rows = self._database.query("SELECT max(id) FROM builds HAVING max(id) IS NOT NULL")
        elif build.isascii() and build.isdecimal() and len(build) < _LONGEST_NUMBER:
            rows = self._database.query("SELECT id FROM builds WHERE id = ?", (int(build),))
        else:
            rows = []
        if not rows:
            raise self._unknown(build)
        number: int = rows[0][0]
        return number

    def load(self, build: str) -> BuildRecord:
        """The build of that number, or the `last` one.

        Raises NotFoundError naming those there are.
        """
        rows = self._database.query(
            f"SELECT steps, {_SUMMARY} FROM builds WHERE id = ?",  # noqa: S608  a constant
            (self.number(build),),
        )
        if not rows:  # gone meanwhile
            raise self._unknown(build)
        ((steps, *row),) = rows
        summary = _summary(tuple(row))
        return BuildRecord(
            summary=summary,
            steps=tuple(_step(plain, summary.started) for plain in unpack(steps)),
            definitions=tuple(decode_definition(data) for data in self._definitions(summary.id)),
            details=self._details(summary.id),
        )

    def logs(self, build: BuildSummary, vertex: Digest | None = None) -> tuple[StepLog, ...]:
        """What the steps of a build printed, or one of them; those that printed nothing are absent."""
        from .buildlog import decode_log

        chosen = "" if vertex is None else " AND vertex = ?"
        rows = self._database.query(
            f"SELECT vertex, data FROM logs WHERE build = ?{chosen} ORDER BY number",  # noqa: S608  two constants
            (build.id,) if vertex is None else (build.id, bytes.fromhex(vertex.hex)),
        )
        return tuple(decode_log(_digest(raw), data, build.started) for raw, data in rows)

    def _details(self, build: int) -> BuildDetails:
        rows = self._database.query("SELECT data FROM details WHERE build = ?", (build,))
        return _read_details(unpack(rows[0][0])) if rows else BuildDetails()

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
    return blake3_bytes(pack(said))


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
    vertex, usage = bytes.fromhex(step.vertex.hex), step.usage
    took = []
    if usage is not None:
        took = [round(usage.user_s * 1e6), round(usage.system_s * 1e6), usage.max_rss_bytes]
        took += [usage.read_bytes, usage.written_bytes]
    return [
        vertex,
        step.outcome.value,
        _microseconds(step.started, since),
        _microseconds(step.completed, since),
        step.error,
        step.name,
        *took,
    ]


def _microseconds(at: float | None, since: float) -> int | None:
    return None if at is None else round((at - since) * 1_000_000)


def _step(plain: list[Any], since: float) -> Step:
    vertex, outcome, started, completed, error, name, *took = plain
    return Step(
        vertex=_digest(vertex),
        outcome=Outcome(outcome),
        name=name,
        started=None if started is None else since + started / 1_000_000,
        completed=None if completed is None else since + completed / 1_000_000,
        error=error,
        usage=ProcessUsage(took[0] / 1e6, took[1] / 1e6, *took[2:]) if took else None,
    )


def _digest(vertex: bytes) -> Digest:
    return Digest(f"blake3:{vertex.hex()}")


def _stored_logs(logs: Sequence[StepLog], since: float) -> list[tuple[bytes, bytes]]:
    if not logs:
        return []
    from .buildlog import encode_log

    return [(bytes.fromhex(log.vertex.hex), encode_log(log, since)) for log in logs]


def _plain_details(details: BuildDetails) -> list[object]:
    warnings = [
        [
            warning.rule,
            warning.message,
            _plain_span(warning.at),
            warning.url,
            warning.description,
            _plain_span(warning.focus),
        ]
        for warning in details.warnings
    ]
    options = [list(pair) for pair in details.options]
    sources = [[source.path, source.data] for source in details.sources]
    return [
        *(details.frontend, options, details.version, details.cpus, details.limit),
        *(warnings, details.report, sources),
    ]


def _read_details(plain: list[Any]) -> BuildDetails:
    frontend, options, version, cpus, limit, warnings, report, sources = plain
    return BuildDetails(
        frontend=frontend,
        options=tuple((name, value) for name, value in options),
        version=version,
        cpus=cpus,
        limit=limit,
        warnings=tuple(
            BuildWarning(rule=rule, message=message, at=_span(at), url=url, description=description, focus=_span(focus))
            for rule, message, at, url, description, focus in warnings
        ),
        report=report,
        sources=tuple(SourceFile(path=path, data=data) for path, data in sources),
    )


def _plain_span(span: Span | None) -> list[object] | None:
    return None if span is None else [span.path, span.line, span.column, span.end_line, span.end_column]


def _span(plain: list[Any] | None) -> Span | None:
    return None if plain is None else Span(*plain)
