"""What is said of one vertex while it is performed, as events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..values import frozen
from .events import VertexLog, VertexProgress, VertexUsage

if TYPE_CHECKING:
    from ..digest import Digest
    from .events import Emit

__all__ = ["EventReporter"]


@frozen(kw_only=False)
class EventReporter:
    """A `Reporter` that turns a worker's words into events."""

    vertex: Digest
    emit: Emit

    def log(self, stream: int, data: bytes) -> None:
        self.emit(VertexLog(self.vertex, stream, data, time.time()))

    def progress(self, what: str, current: int, total: int) -> None:
        self.emit(VertexProgress(self.vertex, what, current, total, time.time(), done=0 < total <= current))

    def usage(self, user_s: float, system_s: float, max_rss_bytes: int, read_bytes: int, written_bytes: int) -> None:
        took = (user_s, system_s, max_rss_bytes, read_bytes, written_bytes)
        self.emit(VertexUsage(self.vertex, *took, time.time()))
