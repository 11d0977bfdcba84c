"""Steps of a build that are no vertex of its graph (asking a registry, exporting), told as if they were."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..digest import blake3_digest
from ..errors import LlbuildError
from ..solver import EventReporter, VertexCompleted, VertexQueued, VertexStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..solver import Emit

__all__ = ["phase"]


@contextmanager
def phase(name: str, emit: Emit) -> Iterator[EventReporter]:
    """Show what happens inside as a step called `name`."""
    vertex = blake3_digest(name.encode())
    emit(VertexQueued(vertex, name))
    emit(VertexStarted(vertex, time.time()))
    error = "canceled"
    try:
        yield EventReporter(vertex, emit)
        error = ""
    except LlbuildError as failure:
        error = failure.message
        raise
    finally:
        emit(VertexCompleted(vertex, time.time(), error))
