"""What the steps of a build print: gathered while they run, within bounds, and its bytes.

Of each step the beginning and the end are kept; when a build prints more than is kept of all its steps together, those
that printed most lose first. A step's log is stored as zlib of msgpack [dropped bytes, chunks before them, chunks after
them], a chunk being [stream, microseconds since the build started, data].

Loaded by builds that print something.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, StoreError
from ..llb.codec import pack, unpack
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..digest import Digest
    from .events import VertexLog

__all__ = ["BuildLog", "LogChunk", "StepLog", "decode_log", "encode_log"]

STEP_BYTES = 512 << 10  # of the beginning, and as much of the end
BUILD_BYTES = 32 << 20
_SMALLEST_END = 256  # what a step keeps of either end, whatever the others print
_MADE_ROOM = 0.9  # of what a build keeps: to find out who printed most is worth it now and then only
_CHUNK_COST = 100  # bytes that a chunk takes beside its data: a process may print one byte at a time
_JOINED_S = 0.01  # what one stream says within that is one chunk
_JOINED_BYTES = 16 << 10


@frozen(kw_only=False)
class LogChunk:
    """A piece of output: stream 1 is stdout, 2 stderr; seconds since 1970."""

    stream: int
    at: float
    data: bytes


@frozen
class StepLog:
    """What is kept of a step's output. `dropped_bytes` are missing between head and tail; without any, all is head."""

    vertex: Digest
    head: tuple[LogChunk, ...]
    tail: tuple[LogChunk, ...] = ()
    dropped_bytes: int = 0

    @property
    def chunks(self) -> tuple[LogChunk, ...]:
        return (*self.head, *self.tail)


class _Chunk:
    """One that may still grow."""

    __slots__ = ("at", "data", "stream")

    def __init__(self, stream: int, at: float) -> None:
        self.stream = stream
        self.at = at
        self.data = bytearray()

    @property
    def cost(self) -> int:
        return len(self.data) + _CHUNK_COST


class _Gathered:
    """One step's output so far: `head` fills first, `tail` moves on."""

    __slots__ = ("dropped_bytes", "head", "head_cost", "most", "tail", "tail_cost")

    def __init__(self, most: int) -> None:
        self.most = most  # of either end
        self.head: list[_Chunk] = []
        self.tail: deque[_Chunk] = deque()
        self.head_cost = self.tail_cost = self.dropped_bytes = 0

    @property
    def cost(self) -> int:
        return self.head_cost + self.tail_cost

    def add(self, stream: int, at: float, data: bytes) -> None:
        if not self.tail and not self.dropped_bytes:
            room = max(0, self.most - self.head_cost)
            if room:
                self.head_cost += _append(self.head, stream, at, data[:room])
                data = data[room:]
        if data:
            self.tail_cost += _append(self.tail, stream, at, data)
            self._trim()

    def halve(self) -> None:
        """Keep half as much from now on."""
        self.most //= 2
        while self.head and self.head_cost > self.most:
            last = self.head.pop()
            self.head_cost -= last.cost
            spare = self.most - self.head_cost - _CHUNK_COST
            kept = max(0, min(spare, len(last.data)))
            self.dropped_bytes += len(last.data) - kept
            if kept:
                del last.data[kept:]
                self.head.append(last)
                self.head_cost += last.cost
                break
        self._trim()

    def _trim(self) -> None:
        while self.tail_cost > self.most and self.tail:
            first = self.tail[0]
            surplus = self.tail_cost - self.most
            if first.cost <= surplus or len(first.data) <= surplus:
                self.tail.popleft()
                self.tail_cost -= first.cost
                self.dropped_bytes += len(first.data)
            else:
                del first.data[:surplus]
                self.tail_cost -= surplus
                self.dropped_bytes += surplus


def _append(chunks: list[_Chunk] | deque[_Chunk], stream: int, at: float, data: bytes) -> int:
    """Add to the last chunk, or a chunk. Returns what it costs."""
    last = chunks[-1] if chunks else None
    if (
        last is not None
        and last.stream == stream
        and at - last.at < _JOINED_S
        and len(last.data) + len(data) <= _JOINED_BYTES
    ):
        last.data += data
        return len(data)
    chunk = _Chunk(stream, at)
    chunk.data += data
    chunks.append(chunk)
    return chunk.cost


class BuildLog:
    """The output of a build's steps as it comes. Takes no more memory than the bounds allow."""

    def __init__(self, *, step_bytes: int = STEP_BYTES, build_bytes: int = BUILD_BYTES) -> None:
        self._step_bytes = step_bytes
        self._build_bytes = build_bytes
        self._steps: dict[Digest, _Gathered] = {}
        self._cost = 0

    def add(self, event: VertexLog) -> None:
        step = self._steps.get(event.vertex)
        if step is None:
            step = self._steps[event.vertex] = _Gathered(self._step_bytes)
        self._cost -= step.cost
        step.add(event.stream, event.at, event.data)
        self._cost += step.cost
        if self._cost > self._build_bytes:
            self._make_room()

    def _make_room(self) -> None:
        while self._cost > _MADE_ROOM * self._build_bytes:
            largest = max(self._steps.values(), key=lambda one: one.cost)
            if largest.most <= _SMALLEST_END:
                return
            self._cost -= largest.cost
            largest.halve()
            self._cost += largest.cost

    def logs(self) -> tuple[StepLog, ...]:
        """In the order in which the steps began to speak."""
        return tuple(_step_log(vertex, step) for vertex, step in self._steps.items())


def _step_log(vertex: Digest, step: _Gathered) -> StepLog:
    head, tail = _frozen(step.head), _frozen(step.tail)
    if not step.dropped_bytes:
        head, tail = head + tail, ()
    return StepLog(vertex=vertex, head=head, tail=tail, dropped_bytes=step.dropped_bytes)


def _frozen(chunks: Iterable[_Chunk]) -> tuple[LogChunk, ...]:
    return tuple(LogChunk(chunk.stream, chunk.at, bytes(chunk.data)) for chunk in chunks if chunk.data)


def encode_log(log: StepLog, since: float) -> bytes:
    return zlib.compress(pack([log.dropped_bytes, _plain(log.head, since), _plain(log.tail, since)]), 1)


def decode_log(vertex: Digest, data: bytes, since: float) -> StepLog:
    """Raises StoreError for bytes that are damaged."""
    try:
        dropped_bytes, head, tail = unpack(zlib.decompress(data))
    except (zlib.error, DefinitionError, ValueError) as error:
        raise StoreError(f"the log of a step is damaged: {error}") from None
    return StepLog(vertex=vertex, head=_chunks(head, since), tail=_chunks(tail, since), dropped_bytes=dropped_bytes)


def _plain(chunks: Sequence[LogChunk], since: float) -> list[list[object]]:
    return [[chunk.stream, round((chunk.at - since) * 1_000_000), chunk.data] for chunk in chunks]


def _chunks(plain: Iterable[list[Any]], since: float) -> tuple[LogChunk, ...]:
    return tuple(LogChunk(stream, since + at / 1_000_000, data) for stream, at, data in plain)
