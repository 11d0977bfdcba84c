"""Where words about a vertex go while it is performed: the solver's reporter, seen from here."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SILENT", "Reporter"]


class Reporter(Protocol):
    """See `solver.Reporter`."""

    def log(self, stream: int, data: bytes) -> None: ...
    def progress(self, what: str, current: int, total: int) -> None: ...
    def usage(
        self, user_s: float, system_s: float, max_rss_bytes: int, read_bytes: int, written_bytes: int
    ) -> None: ...


class _Silent:
    def log(self, stream: int, data: bytes) -> None: ...
    def progress(self, what: str, current: int, total: int) -> None: ...
    def usage(
        self, user_s: float, system_s: float, max_rss_bytes: int, read_bytes: int, written_bytes: int
    ) -> None: ...


SILENT: Reporter = _Silent()  # for what belongs to no vertex in particular
