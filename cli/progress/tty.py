"""Progress on a terminal: what runs is repainted in place, what is done scrolls up and stays.

     => [build 2/3] RUN make                                     12.3s
    [+] Building 14.1s (3/7)
     => [test 1/2] RUN pytest                                     4.2s
     => => # last lines of its output

The live part is rich's. It costs 80 ms to import, so it is only called on once a build takes longer
than a blink; a cached build is over by then and just writes its lines.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from ...solver import VertexCached, VertexCompleted
from ..text import cell_width, clip, single_line
from ..units import human_size
from .trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from ...solver import Event, VertexProgress
    from .paint import Painter
    from .trace import VertexState

__all__ = ["Row", "TtyDisplay", "finished_row", "header", "live_rows"]

LIVE_AFTER_S = 0.15
REFRESH_EVERY_S = 0.1
OUTPUT_LINES = 6
_NARROWEST = 20


class Row(NamedTuple):
    """One line of the screen; `style` is "", "done", "cached", "error", "faint" or "header"."""

    text: str
    style: str = ""


class TtyDisplay:
    """Draws on `stream`. `painter` makes the live part, given the stream and whether to use colour."""

    explains = False

    def __init__(
        self,
        stream: TextIO,
        *,
        color: bool = True,
        title: str = "Building",
        clock: Callable[[], float] = time.time,
        painter: Callable[[TextIO, bool], Painter] | None = None,
    ) -> None:
        self.trace = Trace()
        self._stream = stream
        self._color = color
        self._title = title
        self._clock = clock
        self._make_painter = painter
        self._painter: Painter | None = None
        self._running: dict[str, VertexState] = {}
        self._finished: list[VertexState] = []  # not yet on the screen
        self._began = clock()
        self._drawn_at = self._began
        self._closed = False

    def display(self, event: Event) -> None:
        """Show one event, soon."""
        state, _ = self.trace.update(event)
        if isinstance(event, VertexCached | VertexCompleted):
            self._running.pop(state.digest, None)
            self._finished.append(state)
        elif state.running:
            self._running[state.digest] = state
        if self._clock() - self._drawn_at >= REFRESH_EVERY_S:
            self.refresh()

    def refresh(self) -> None:
        """Repaint. Call it about ten times a second while something runs."""
        now = self._clock()
        if self._closed or (self._painter is None and now - self._began < LIVE_AFTER_S):
            return
        if self._painter is None:
            self._painter = self._open_painter()
        width, height = self._painter.size()
        rows = [header(self.trace, now - self._began, width, self._title)]
        rows += live_rows(list(self._running.values()), now, width, height - 2)
        self._painter.paint(self._finished_rows(width), rows)
        self._drawn_at = now

    def close(self) -> None:
        """Remove the live part; leave the finished steps and the total."""
        if self._closed:
            return
        self._closed = True
        width = self._painter.size()[0] if self._painter is not None else _terminal_width(self._stream)
        if self._painter is not None:
            self._painter.stop()
        rows = self._finished_rows(width)
        rows.append(header(self.trace, self._clock() - self._began, width, self._title, last=True))
        self._stream.write("".join(f"{_ansi(row, color=self._color)}\n" for row in rows))
        self._stream.flush()

    def _finished_rows(self, width: int) -> list[Row]:
        rows = [finished_row(state, width) for state in self._finished if state.started is not None]
        self._finished.clear()
        return rows

    def _open_painter(self) -> Painter:
        if self._make_painter is not None:
            return self._make_painter(self._stream, self._color)
        from .paint import Painter

        return Painter(self._stream, color=self._color)


def header(trace: Trace, elapsed_s: float, width: int, title: str, *, last: bool = False) -> Row:
    """`[+] Building 3.2s (4/9)`, and at the end how it went."""
    word = ""
    if last:
        stopped = trace.canceled or trace.completed_count < len(trace.vertices)
        word = " FAILED" if trace.failed else " STOPPED" if stopped else " FINISHED"
    text = f"[+] {title} {elapsed_s:.1f}s ({trace.completed_count}/{len(trace.vertices)}){word}"
    return Row(clip(text, width - 1), "error" if word == " FAILED" else "header")


def finished_row(state: VertexState, width: int) -> Row:
    """The line that stays when a vertex is done."""
    mark, style = "", "done"
    if state.canceled:
        mark, style = "CANCELED ", "faint"
    elif state.error:
        mark, style = "ERROR ", "error"
    elif state.cached:
        mark, style = "CACHED ", "cached"
    return Row(_aligned(f" => {mark}{state.name}", state.elapsed(0), width), style)


def live_rows(running: list[VertexState], now: float, width: int, height: int) -> list[Row]:
    """Every running vertex, at most `height` rows; output goes to those that spoke last, where there is room."""
    if height <= 0:
        return []
    shown = running if len(running) <= height else running[: height - 1]
    room = height - len(shown) - (len(running) > len(shown))
    details: dict[str, list[Row]] = {}
    for state in sorted(shown, key=_spoke_at, reverse=True):
        rows = _detail(state, now, width)
        details[state.digest] = rows[max(0, len(rows) - room) :]
        room -= len(details[state.digest])
    lines: list[Row] = []
    for state in shown:
        lines.append(Row(_aligned(f" => {state.name}", state.elapsed(now), width)))
        lines += details[state.digest]
    if len(running) > len(shown):
        lines.append(Row(clip(f" => … and {len(running) - len(shown)} more", width - 1), "faint"))
    return lines


def _detail(state: VertexState, now: float, width: int) -> list[Row]:
    rows = []
    for first_seen, transfer in state.progress.values():
        if not transfer.done:
            text = f" => => {clip(single_line(transfer.id), 24)} {_amount(transfer)}"
            rows.append(Row(_aligned(text, max(0.0, now - first_seen), width), "faint"))
    rows += [Row(clip(f" => => # {line}", width - 1), "faint") for line in state.screen(OUTPUT_LINES)]
    return rows


def _spoke_at(state: VertexState) -> float:
    return state.tail[-1][0] if state.tail else 0.0


def _amount(transfer: VertexProgress) -> str:
    show = human_size if transfer.unit == "bytes" else str
    total = f" / {show(transfer.total)}" if transfer.total else ""
    return f"{show(transfer.current)}{total}"


def _aligned(text: str, seconds: float, width: int) -> str:
    """Text to the left, its time to the right, one column short of the edge: no terminal wraps that."""
    timer = f" {seconds:.1f}s"
    room = max(_NARROWEST, width - 1) - len(timer)
    text = clip(text, room)
    return f"{text}{' ' * (room - cell_width(text))}{timer}"


_ANSI = {"done": "34", "cached": "36", "error": "31", "faint": "2", "header": "1"}


def _ansi(row: Row, *, color: bool) -> str:
    code = _ANSI.get(row.style) if color else None
    return f"\x1b[{code}m{row.text}\x1b[0m" if code else row.text


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
