"""Progress for programs: one JSON object per line, each a BuildKit `SolveStatus` (client/graph.go).

Ours alone: the `reason` of a vertex, why no stored result serves.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

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
from .trace import Trace

if TYPE_CHECKING:
    from typing import TextIO

    from ...solver import Event
    from .trace import VertexState

__all__ = ["RawJsonDisplay", "rfc3339"]


class RawJsonDisplay:
    """Writes every event as it comes."""

    explains = True

    def __init__(self, stream: TextIO) -> None:
        self.trace = Trace()
        self._stream = stream

    def display(self, event: Event) -> None:
        """Show one event."""
        state, _ = self.trace.update(event)
        status = _status(event, state)
        if status:
            self._stream.write(json.dumps(status, separators=(",", ":")) + "\n")
            self._stream.flush()

    def refresh(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is left."""


def _status(event: Event, state: VertexState) -> dict[str, list[dict[str, object]]]:
    match event:
        case VertexUsage():
            return {}  # told with the vertex's end
        case VertexQueued() | VertexStarted() | VertexMissed() | VertexCached() | VertexCompleted():
            return {"vertexes": [_vertex(state)]}
        case VertexLog():
            log = {
                "vertex": event.vertex,
                "stream": event.stream,
                "data": b64encode(event.data).decode(),
                "timestamp": rfc3339(event.at),
            }
            return {"logs": [log]}
        case VertexProgress():
            return {"statuses": [_transfer(event, state)]}


def _vertex(state: VertexState) -> dict[str, object]:
    fields: dict[str, object] = {
        "digest": state.digest,
        "inputs": list(state.inputs),
        "name": state.name,
        "started": None if state.started is None else rfc3339(state.started),
        "completed": None if state.completed is None else rfc3339(state.completed),
        "cached": state.cached,
        "reason": state.reason,
        "error": state.error,
        "usage": None if state.usage is None else _usage(state.usage),
    }
    return {key: value for key, value in fields.items() if value}


def _usage(event: VertexUsage) -> dict[str, object]:
    return {
        "userSeconds": event.user_s,
        "systemSeconds": event.system_s,
        "maxRssBytes": event.max_rss_bytes,
        "readBytes": event.read_bytes,
        "writtenBytes": event.written_bytes,
    }


def _transfer(event: VertexProgress, state: VertexState) -> dict[str, object]:
    first_seen, _ = state.progress[event.id]
    fields: dict[str, object] = {"id": event.id, "vertex": event.vertex}
    if event.total:
        fields["total"] = event.total
    fields |= {"current": event.current, "timestamp": rfc3339(event.at), "started": rfc3339(first_seen)}
    if event.done:
        fields["completed"] = rfc3339(event.at)
    return fields


def rfc3339(seconds: float) -> str:
    """UTC, as Go's RFC3339Nano: no trailing zeros. A float holds microseconds of today's dates, not more."""
    from time import gmtime

    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    now = gmtime(whole)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return (
        f"{now.tm_year:04d}-{now.tm_mon:02d}-{now.tm_mday:02d}"
        f"T{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}{fraction}Z"
    )
