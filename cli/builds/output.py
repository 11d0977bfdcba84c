"""What a step printed, as lines for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..progress.trace import OutputLines, offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...solver import LogChunk, StepLog

__all__ = ["log_lines"]


def log_lines(log: StepLog, started: float | None) -> Iterator[str]:
    """Harmless lines, each with its time since the step started; where something was not kept, a line says so."""
    for at, text in _lines(log.head):
        yield f"{offset(at, started)} {text}"
    if log.dropped_bytes:
        yield f"… {log.dropped_bytes:,} bytes were not kept …"
        for at, text in _lines(log.tail):
            yield f"{offset(at, started)} {text}"


def _lines(chunks: Iterable[LogChunk]) -> Iterator[tuple[float, str]]:
    streams: dict[int, OutputLines] = {}
    for chunk in chunks:
        yield from streams.setdefault(chunk.stream, OutputLines()).feed(chunk.data, chunk.at)
    for stream in streams.values():
        yield from stream.finish()
