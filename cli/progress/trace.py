"""What the events so far amount to: one state per vertex, its output as lines. Shared by every display."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from ...solver import (
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexMissed,
    VertexProgress,
    VertexQueued,
    VertexStarted,
    VertexUsage,
)
from ..text import harmless, single_line

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

    from ...digest import Digest
    from ...solver import BuildLog, Event

__all__ = ["CANCELED", "Line", "OutputLines", "Trace", "VertexState", "offset"]

CANCELED = "canceled"
TAIL_LINES = 20
_LONGEST_LINE = 8192
_DECODER = getincrementaldecoder("utf-8")

Line: TypeAlias = "tuple[float, str]"  # seconds since 1970 of its first byte; harmless text


class OutputLines:
    """Turns the chunks of one output stream into lines.

    A carriage return starts the line over, as on a terminal: of a progress bar, the last state remains.
    """

    __slots__ = ("_decoder", "_pending", "_since")

    def __init__(self) -> None:
        self._decoder: IncrementalDecoder = _DECODER("replace")
        self._pending = ""
        self._since = 0.0

    def feed(self, data: bytes, at: float) -> list[Line]:
        """The lines that `data` completes."""
        text = self._pending + self._decoder.decode(data)
        if not self._pending:
            self._since = at
        *complete, pending = text.split("\n")
        lines = []
        for line in complete:
            lines.append((self._since, _overwritten(line)))
            self._since = at
        while len(pending) > _LONGEST_LINE:
            start_over = pending.rfind("\r", 0, -1)
            if start_over >= 0:
                pending = pending[start_over + 1 :]
                continue
            lines.append((self._since, _overwritten(pending[:_LONGEST_LINE])))
            pending = pending[_LONGEST_LINE:]
        self._pending = pending
        return lines

    @property
    def unfinished(self) -> str:
        """The line so far: a prompt, a progress bar."""
        return _overwritten(self._pending)

    def finish(self) -> list[Line]:
        """The last line, when the output did not end with a newline."""
        text = _overwritten(self._pending + self._decoder.decode(b"", final=True))
        self._pending = ""
        return [(self._since, text)] if text else []


def _overwritten(line: str) -> str:
    return harmless(line.rstrip("\r").rpartition("\r")[2])


class VertexState:
    """One vertex, as far as its events have told. Only `Trace` changes it."""

    __slots__ = (
        *("cached", "completed", "digest", "error", "inputs", "name", "needed", "progress", "reason", "started"),
        *("streams", "tail", "usage"),
    )

    def __init__(self, digest: Digest, name: str, inputs: tuple[Digest, ...] = ()) -> None:
        self.digest = digest
        self.name = single_line(name) or digest
        self.inputs = inputs
        self.started: float | None = None
        self.completed: float | None = None
        self.cached = False
        self.needed = True  # False: a result further up spares it
        self.error = ""
        self.reason = ""  # why no stored result serves, as far as that was told
        self.streams: dict[int, OutputLines] = {}
        self.tail: deque[Line] = deque(maxlen=TAIL_LINES)
        self.progress: dict[str, tuple[float, VertexProgress]] = {}  # id -> (first seen, latest)
        self.usage: VertexUsage | None = None  # None: no process has run

    @property
    def running(self) -> bool:
        return self.started is not None and self.completed is None

    @property
    def canceled(self) -> bool:
        return self.error == CANCELED

    def elapsed(self, now: float) -> float:
        """Seconds it took, or has taken until `now`."""
        if self.started is None:
            return 0.0
        return max(0.0, (now if self.completed is None else self.completed) - self.started)

    def screen(self, height: int) -> list[str]:
        """The last `height` lines, with those that have not ended yet."""
        unfinished = [stream.unfinished for stream in self.streams.values()]
        return [*(text for _, text in self.tail), *filter(None, unfinished)][-height:]

    def tail_text(self) -> tuple[str, ...]:
        """The last lines of output, each with its time since the start."""
        return tuple(f"{offset(at, self.started)} {text}" for at, text in self.tail)


class Trace:
    """All vertices seen so far, in order of appearance, and what they printed."""

    __slots__ = ("canceled", "completed_count", "failed", "log", "vertices")

    def __init__(self) -> None:
        self.log: BuildLog | None = None  # None: nothing was printed
        self.vertices: dict[Digest, VertexState] = {}
        self.completed_count = 0
        self.failed = False  # some vertex ended with an error of its own
        self.canceled = False  # some vertex was stopped

    def update(self, event: Event) -> tuple[VertexState, list[Line]]:
        """Take an event in. Returns the vertex it is about, and the lines of output it completed."""
        vertex = self.vertices.get(event.vertex)
        if vertex is None:
            vertex = self.vertices[event.vertex] = VertexState(event.vertex, "")
        lines: list[Line] = []
        match event:
            case VertexQueued():
                vertex.name = single_line(event.name) or event.vertex
                vertex.inputs = event.inputs
            case VertexCached():
                vertex.started = event.at if vertex.started is None else vertex.started
                vertex.cached = True
                vertex.needed = event.needed
                self._complete(vertex, event.at)
            case VertexStarted():
                self._restart(vertex)
                vertex.started = event.at
            case VertexMissed():
                vertex.reason = single_line(event.reason)
            case VertexLog():
                self._log().add(event)
                lines = vertex.streams.setdefault(event.stream, OutputLines()).feed(event.data, event.at)
            case VertexProgress():
                first = vertex.progress.get(event.id, (event.at, event))[0]
                vertex.progress[event.id] = (first, event)
            case VertexUsage():
                vertex.usage = event
            case VertexCompleted():
                vertex.error = event.error
                self.canceled = self.canceled or vertex.canceled
                self.failed = self.failed or bool(event.error and not vertex.canceled)
                lines = [line for stream in vertex.streams.values() for line in stream.finish()]
                self._complete(vertex, event.at)
        vertex.tail.extend(lines)
        return vertex, lines

    def _restart(self, vertex: VertexState) -> None:
        """It may have ended before: as a stored result that turned out to be lost, or for the lack of one."""
        if vertex.completed is None:
            return
        self.completed_count -= 1
        vertex.completed, vertex.cached, vertex.error = None, False, ""
        self.failed = any(other.error and not other.canceled for other in self.vertices.values())
        self.canceled = any(other.canceled for other in self.vertices.values())

    def _log(self) -> BuildLog:
        if self.log is None:
            from ...solver import BuildLog

            self.log = BuildLog()
        return self.log

    def _complete(self, vertex: VertexState, at: float) -> None:
        if vertex.completed is None:
            self.completed_count += 1
        vertex.completed = at


def offset(at: float, started: float | None) -> str:
    """When a line came, in seconds since its vertex started: 0.123, 12.34, 123.4."""
    seconds = max(0.0, at - (at if started is None else started))
    return f"{seconds:.{3 if seconds < 10 else 2 if seconds < 100 else 1}f}"
