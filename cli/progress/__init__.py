"""Progress displays: what the solver's events look like to whoever waits for the build.

All of them show the same `Trace`; they differ in form only. They write to stderr: stdout is for results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from ...solver import Event
    from .trace import Trace as Trace
    from .trace import VertexState as VertexState

__all__ = ["FORMS", "Display", "Trace", "VertexState", "open_display"]

FORMS = ("auto", "tty", "plain", "rawjson", "quiet")


class Display(Protocol):
    """Shows a build. `display` for each event, in order; `refresh` about ten times a second while
    something runs (clocks go on, held back lines appear); `close` once, at the end, whatever the end.
    `explains`: shows why a step has to run, so that it is worth finding out.
    """

    @property
    def explains(self) -> bool: ...
    @property
    def trace(self) -> Trace: ...
    def display(self, event: Event) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


def open_display(form: str, stream: TextIO, environ: Mapping[str, str], *, title: str = "Building") -> Display:
    """The display for `form`, one of FORMS, writing to `stream`. title: what is going on, in a word.

    Raises UsageError for "tty" where there is no terminal.
    """
    terminal = stream.isatty()
    if form == "tty" and not terminal:
        raise UsageError("--progress tty: stderr is not a terminal", hint="use --progress plain")
    if form == "tty" or (form == "auto" and terminal and environ.get("TERM") not in {None, "", "dumb"}):
        from .tty import TtyDisplay

        return TtyDisplay(stream, color=not environ.get("NO_COLOR"), title=title)
    if form == "rawjson":
        from .rawjson import RawJsonDisplay

        return RawJsonDisplay(stream)
    if form == "quiet":
        from .quiet import QuietDisplay

        return QuietDisplay()
    from .plain import PlainDisplay

    return PlainDisplay(stream)


def __getattr__(name: str) -> object:
    if name in {"Trace", "VertexState"}:
        from . import trace

        return getattr(trace, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
