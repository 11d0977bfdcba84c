"""No progress at all; keeps the trace, so that an error can still show the last output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .trace import Trace

if TYPE_CHECKING:
    from ...solver import Event

__all__ = ["QuietDisplay"]


class QuietDisplay:
    """Shows nothing."""

    explains = False

    def __init__(self) -> None:
        self.trace = Trace()

    def display(self, event: Event) -> None:
        """Remember one event."""
        self.trace.update(event)

    def refresh(self) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Nothing is left."""
