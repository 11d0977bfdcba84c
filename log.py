"""The diagnostic log, silent until `cli/` configures it.

structlog costs ~100 ms to import, so it is loaded only by whoever asks for a log (`--debug`).
Never the user's progress: that is the solver's stream of typed events.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Sink", "log"]


class Sink(Protocol):
    """A structlog bound logger, seen from here."""

    def debug(self, event: str, **values: object) -> object: ...
    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...


class _Log:
    """Forwards to the configured sink. Events are constants in the past tense."""

    __slots__ = ("sink",)

    def __init__(self) -> None:
        self.sink: Sink | None = None

    def debug(self, event: str, **values: object) -> None:
        if self.sink is not None:
            self.sink.debug(event, **values)

    def info(self, event: str, **values: object) -> None:
        if self.sink is not None:
            self.sink.info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        if self.sink is not None:
            self.sink.warning(event, **values)


log = _Log()
