"""How a worker talks while it performs something: the one word that solver and worker share about it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SILENT", "Reporter"]


class Reporter(Protocol):
    """Who listens while one vertex is performed."""

    def log(self, stream: int, data: bytes) -> None:
        """Output of the vertex's process: 1 is stdout, 2 stderr."""
        ...

    def progress(self, what: str, current: int, total: int) -> None:
        """How far a transfer or a phase is, in bytes; total 0 for unknown."""
        ...

    def usage(self, user_s: float, system_s: float, max_rss_bytes: int, read_bytes: int, written_bytes: int) -> None:
        """What the vertex's process took, when it has ended; bytes are those that went to and from disks."""
        ...


class _Silent:
    def log(self, stream: int, data: bytes) -> None: ...
    def progress(self, what: str, current: int, total: int) -> None: ...
    def usage(
        self, user_s: float, system_s: float, max_rss_bytes: int, read_bytes: int, written_bytes: int
    ) -> None: ...


SILENT: Reporter = _Silent()  # for work that nobody watches
