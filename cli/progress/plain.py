"""Progress as a log: numbered lines that only ever get appended, for files, pipes and CI.

    #4 [build 2/3] RUN make
    #4 0.123 cc -o hello hello.c
    #4 DONE 0.3s

One vertex at a time holds the floor and writes as things happen; what the others say is held back
until it is done, falls silent, or has spoken for long enough. `#4 ...` marks where it was interrupted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...solver import (
    VertexCached,
    VertexCompleted,
    VertexLog,
    VertexMissed,
    VertexProgress,
    VertexQueued,
    VertexStarted,
)
from ..text import single_line
from ..units import human_size
from .trace import Trace, offset

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from ...digest import Digest
    from ...solver import Event
    from .trace import VertexState

__all__ = ["PlainDisplay"]

TURN_S = 5.0  # how long the others wait at most for the floor
SILENCE_S = 1.0  # after which a silent vertex loses it
ANNOUNCE_S = 0.1  # a vertex that has nothing to tell is announced if it lasts that long
_HELD_BACK_CHARS = 65536  # more than that is not held back
_PROGRESS_EVERY_S = 5.0
_FLUSH_EVERY_S = 0.1


class _Voice:
    """What the log knows about one vertex beside its state."""

    __slots__ = ("held", "held_chars", "held_since", "number", "progress_at", "spoke_at", "state")

    def __init__(self, state: VertexState) -> None:
        self.state = state
        self.number = 0  # given when it first appears in the log
        self.held: list[str] = []
        self.held_chars = 0
        self.held_since: float | None = None
        self.spoke_at = 0.0
        self.progress_at: dict[str, float] = {}


class PlainDisplay:
    """Writes the log to `stream`; nothing of it depends on a terminal."""

    explains = True

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.time) -> None:
        self.trace = Trace()
        self._stream = stream
        self._clock = clock
        self._voices: dict[Digest, _Voice] = {}
        self._running: dict[Digest, _Voice] = {}
        self._floor: _Voice | None = None
        self._numbered = 0
        self._text: list[str] = []
        self._flushed_at = 0.0

    def display(self, event: Event) -> None:
        """Show one event."""
        state, lines = self.trace.update(event)
        if isinstance(event, VertexQueued):
            return
        voice = self._voices.get(state.digest)
        if voice is None:
            voice = self._voices[state.digest] = _Voice(state)
        said = [f"{offset(at, state.started)} {text}" for at, text in lines]
        match event:
            case VertexStarted():
                self._running[state.digest] = voice
                self._say(voice, said, event.at, announce=True)
            case VertexMissed():
                self._say(voice, [f"not cached: {state.reason}"], event.at)
            case VertexLog():
                self._say(voice, said, event.at)
            case VertexProgress():
                self._say(voice, _progress_lines(voice, event), event.at)
            case VertexCached():
                self._end(voice, "CACHED", event.at)
                # cached vertices come in bursts: hundreds of them should not be hundreds of writes
                self._flush(unless_recent=event.at)
                return
            case VertexCompleted():
                voice.held += said
                self._end(voice, _outcome(state, event), event.at)
        self._flush()

    def refresh(self) -> None:
        """Give the floor to whoever has waited for too long. Call it now and then, at most 10 times a second."""
        now = self._clock()
        waiting = [voice for voice in self._running.values() if voice.held_since is not None]
        overdue = [voice for voice in waiting if now - _waiting_since(voice) >= TURN_S]
        candidates = overdue or [voice for voice in waiting if _presentable(voice, now)]
        if candidates:
            self._consider(min(candidates, key=lambda voice: (not voice.held, _waiting_since(voice))), now)
        self._flush()

    def close(self) -> None:
        """Write what is left."""
        for voice in self._running.values():
            if voice.held:
                self._take_floor(voice)
        self._flush()

    def _say(self, voice: _Voice, lines: list[str], now: float, *, announce: bool = False) -> None:
        if not lines and not announce:
            return
        voice.held += lines
        voice.held_chars += sum(map(len, lines))
        if voice is self._floor:
            voice.spoke_at = now
            self._pour(voice)
            return
        if voice.held_since is None:
            voice.held_since = now
        self._consider(voice, now)

    def _consider(self, voice: _Voice, now: float) -> None:
        """Let `voice`, which waits, take the floor if it may."""
        floor = self._floor
        if floor is None:
            may = _presentable(voice, now)
        elif voice.held and now - floor.spoke_at >= SILENCE_S:
            may = True
        else:
            may = voice.held_chars >= _HELD_BACK_CHARS or now - _waiting_since(voice) >= TURN_S
        if may:
            self._take_floor(voice)
            voice.spoke_at = now

    def _end(self, voice: _Voice, outcome: str, now: float) -> None:
        voice.held += [outcome] if outcome else []
        was_running = self._running.pop(voice.state.digest, None)
        if not voice.held or (voice.state.canceled and not voice.number and was_running is None):
            return
        self._take_floor(voice)
        self._floor = None
        waiting = [other for other in self._running.values() if _presentable(other, now)]
        if waiting:  # those with something to tell come first, then the longest waiting
            successor = min(waiting, key=lambda other: (not other.held, _waiting_since(other)))
            self._take_floor(successor)
            successor.spoke_at = now

    def _take_floor(self, voice: _Voice) -> None:
        if voice is not self._floor:
            if self._floor is not None:
                self._text.append(f"#{self._floor.number} ...\n")
            if self._numbered:
                self._text.append("\n")
            if not voice.number:
                self._numbered += 1
                voice.number = self._numbered
            self._text.append(f"#{voice.number} {voice.state.name}\n")
            self._floor = voice
        self._pour(voice)

    def _pour(self, voice: _Voice) -> None:
        self._text += [f"#{voice.number} {line}\n" for line in voice.held]
        voice.held.clear()
        voice.held_chars = 0
        voice.held_since = None

    def _flush(self, *, unless_recent: float | None = None) -> None:
        if unless_recent is not None and 0 <= unless_recent - self._flushed_at < _FLUSH_EVERY_S:
            return
        if self._text:
            text = "".join(self._text)
            self._text.clear()
            self._stream.write(text)
            self._stream.flush()
        self._flushed_at = self._clock()


def _presentable(voice: _Voice, now: float) -> bool:
    """Whether it waits, and has something to tell or has at least lasted for a moment."""
    return voice.held_since is not None and (bool(voice.held) or now - voice.held_since >= ANNOUNCE_S)


def _waiting_since(voice: _Voice) -> float:
    return voice.held_since if voice.held_since is not None else float("inf")


def _progress_lines(voice: _Voice, event: VertexProgress) -> list[str]:
    """A transfer: its beginning, then every few seconds, then its end."""
    last = voice.progress_at.get(event.id)
    if last is not None and not event.done and event.at - last < _PROGRESS_EVERY_S:
        return []
    voice.progress_at[event.id] = event.at
    started, _ = voice.state.progress[event.id]
    parts = [single_line(event.id), _amount(event)]
    if event.at - started > 0.01:
        parts.append(f"{event.at - started:.1f}s")
    if event.done:
        parts.append("done")
    return [" ".join(part for part in parts if part)]


def _amount(event: VertexProgress) -> str:
    show = human_size if event.unit == "bytes" else str
    if event.total:
        return f"{show(event.current)} / {show(event.total)}"
    return show(event.current) if event.current else ""


def _outcome(state: VertexState, event: VertexCompleted) -> str:
    if state.canceled:
        return "CANCELED"
    if event.error:
        return f"ERROR: {single_line(event.error)}"
    return f"DONE {state.elapsed(event.at):.1f}s"
