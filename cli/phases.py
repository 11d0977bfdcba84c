"""Steps of a build that are no vertex of its graph (asking a registry, exporting), told as if they were."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..digest import blake3_digest
from ..errors import LlbuildError
from ..solver import VertexCompleted, VertexProgress, VertexQueued, VertexStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..digest import Digest
    from ..solver import Emit

__all__ = ["PhaseReporter", "phase"]


class PhaseReporter:
    """Words about one phase; what a worker expects to talk to."""

    def __init__(self, vertex: Digest, emit: Emit) -> None:
        self._vertex = vertex
        self._emit = emit

    def log(self, stream: int, data: bytes) -> None:
        """A phase has no process."""

    def progress(self, what: str, current: int, total: int) -> None:
        done = 0 < total <= current
        self._emit(VertexProgress(self._vertex, what, current, total, time.time(), done=done))


@contextmanager
def phase(name: str, emit: Emit) -> Iterator[PhaseReporter]:
    """Show what happens inside as a step called `name`."""
    vertex = blake3_digest(name.encode())
    emit(VertexQueued(vertex, name))
    emit(VertexStarted(vertex, time.time()))
    error = "canceled"
    try:
        yield PhaseReporter(vertex, emit)
        error = ""
    except LlbuildError as failure:
        error = failure.message
        raise
    finally:
        emit(VertexCompleted(vertex, time.time(), error))
