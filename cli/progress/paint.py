"""The live part of the terminal display. The one module that knows rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from .tty import Row

__all__ = ["Painter"]

_STYLES = {"done": "blue", "cached": "cyan", "error": "red", "faint": "dim", "header": "bold"}


class Painter:
    """Lines that stay, and below them a part that is repainted in place.

    It starts with the first `paint` and ends with `stop`, which removes the repainted part.
    """

    def __init__(self, stream: TextIO, *, color: bool, console: Console | None = None) -> None:
        self._console = console or Console(file=stream, force_terminal=True, no_color=not color, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,  # no thread: whoever waits for the build calls refresh
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def size(self) -> tuple[int, int]:
        """Columns and lines, as of now."""
        return self._console.size.width, self._console.size.height

    def paint(self, lasting: Sequence[Row], live: Sequence[Row]) -> None:
        """Add `lasting` above, and show `live` instead of what was there."""
        if not self._live.is_started:
            self._live.start()
        self._live.update(_joined(live))
        if lasting:
            self._console.print(_joined(lasting))  # repaints the live part below
        else:
            self._live.refresh()

    def stop(self) -> None:
        """Remove the live part and give the cursor back."""
        if self._live.is_started:
            self._live.stop()


def _joined(rows: Sequence[Row]) -> Text:
    lines = [Text(row.text, style=_STYLES.get(row.style, ""), no_wrap=True, overflow="crop") for row in rows]
    joined = Text("\n", no_wrap=True, overflow="crop").join(lines)
    joined.no_wrap, joined.overflow = True, "crop"
    return joined
