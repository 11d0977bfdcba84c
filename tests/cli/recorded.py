"""Events as a build would emit them, written short: times are seconds since T0."""

from __future__ import annotations

from llbuild.digest import Digest
from llbuild.solver import (
    Event,
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexProgress,
    VertexQueued,
    VertexStarted,
)

T0 = 1_700_000_000.0


def digest(name: str) -> Digest:
    return Digest("blake3:" + name.encode().hex().ljust(64, "0")[:64])


def queued(vertex: str, name: str, *inputs: str) -> Event:
    return VertexQueued(digest(vertex), name, tuple(digest(one) for one in inputs))


def started(vertex: str, at: float) -> Event:
    return VertexStarted(digest(vertex), T0 + at)


def cached(vertex: str, at: float) -> Event:
    return VertexCached(digest(vertex), T0 + at)


def log(vertex: str, at: float, data: bytes, stream: int = 1) -> Event:
    return VertexLog(digest(vertex), stream, data, T0 + at)


def transfer(vertex: str, at: float, name: str, current: int, total: int, *, done: bool = False) -> Event:
    return VertexProgress(digest(vertex), name, current, total, T0 + at, done=done)


def completed(vertex: str, at: float, error: str = "") -> Event:
    return VertexCompleted(digest(vertex), T0 + at, error)


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now

    def at(self, seconds: float) -> None:
        self.now = T0 + seconds


def when(event: Event) -> float | None:
    """Seconds since T0, for events that have a time."""
    return None if isinstance(event, VertexQueued) else event.at - T0
