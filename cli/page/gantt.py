"""The steps of a build along its time: a row each, which opens to tell the rest and to show the log."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ...solver import Outcome
from ..builds.output import log_lines
from ..drawing import OUTCOME_WORDS
from ..units import human_duration, human_usage
from .markup import anchor, block, clipped, line, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ...digest import Digest
    from ...solver import StepLog
    from .timeline import Bar, Group, Timeline

__all__ = ["LogShelf", "gantt", "ticks"]

_MANY_ROWS = 200  # beyond, what did not run shares a row per stage
_NAME_WIDTH = 120
_COMMAND_WIDTH = 2000
_WORTH_TELLING_S = 0.001
_MOST_TICKS = 8
_SPACINGS_S = (
    *(digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)),
    *(10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0),
)
_MOST_DETAILS = 40  # of a reason: files that changed, mostly


class LogShelf:
    """The logs that a page shows: of each step the end, and of all together as much as a page can bear."""

    def __init__(
        self,
        logs: Iterable[StepLog],
        began: float,
        *,
        build: int,
        step_bytes: int = 64 << 10,
        page_bytes: int = 3 << 20,
    ) -> None:
        self._logs: Mapping[Digest, StepLog] = {log.vertex: log for log in logs}
        self._began = began
        self._build = build
        self._step_bytes = step_bytes
        self._left = page_bytes

    def show(self, bar: Bar) -> str:
        """The step's log as an element; "" without one."""
        log = self._logs.get(bar.vertex)
        if log is None:
            return ""
        started = None if bar.started is None else self._began + bar.started
        # What failed is what people look for: it has its room, whatever the others printed.
        room = self._step_bytes if bar.outcome is Outcome.FAILED else min(self._step_bytes, self._left)
        shown: list[str] = []
        used = 0
        lines = list(log_lines(log, started))
        for text in reversed(lines):
            escaped = block(text)
            used += len(escaped.encode()) + 1
            if used > room:
                break
            shown.append(escaped)
        self._left -= min(used, room)
        missing = len(lines) - len(shown)
        note = ""
        if missing:
            command = f"llbuild builds logs {self._build} {bar.number}"
            note = f"<p class=faint>{missing:,} lines before these: <code>{command}</code></p>"
        return note + (f'<pre class="log tall wrap">{chr(10).join(reversed(shown))}</pre>' if shown else "")


def gantt(timeline: Timeline, logs: LogShelf) -> str:
    """The whole chart."""
    spacing = ticks(timeline.duration_s)
    many = sum(len(group.bars) for group in timeline.groups) > _MANY_ROWS
    numbers = {bar.vertex: bar for bar in timeline.bars}
    parts = [
        _keys(timeline),
        f'<div class=gantt style="--tick:{percent(spacing, timeline.duration_s) if spacing else "100%"}">\n',
        _axis(timeline.duration_s, spacing),
    ]
    idle = [group for group in timeline.groups if many and all(map(_is_idle, group.bars))]
    for group in timeline.groups:
        if group in idle:
            continue
        parts.append(_head(group))
        kept, shared = _rows(group, many=many)
        if shared:
            parts.append(_shared("", shared, timeline.duration_s))
        parts += [_row(bar, timeline.duration_s, logs, numbers) for bar in kept]
    if idle:
        count = _steps(sum(len(group.bars) for group in idle))
        parts.append(f"<div class=group>nothing ran in these <small>{count}</small></div>\n")
        parts += [_shared(f"{group.name}: ", group.bars, timeline.duration_s) for group in idle]
    return "".join([*parts, "</div>\n"])


def ticks(duration_s: float) -> float:
    """Seconds between two marks of the axis: such as people count in."""
    if duration_s <= 0:
        return 0.0
    for spacing in _SPACINGS_S:
        if duration_s / spacing <= _MOST_TICKS:
            return spacing
    spacing = _SPACINGS_S[-1]
    while duration_s / spacing > _MOST_TICKS:
        spacing *= 2
    return spacing


def _keys(timeline: Timeline) -> str:
    drawn = {bar.outcome for bar in timeline.bars if bar.completed is not None}
    parts = []
    for outcome, word in OUTCOME_WORDS.items():
        if outcome in drawn:
            mark = " mark" if outcome is Outcome.CACHED else ""
            parts.append(f'<span><i class="{outcome.name.lower()}{mark}"></i>{word}</span>')
    if timeline.path:
        parts.append('<span><i class="executed critical"></i>critical path</span>')
    if any(bar.waited_s > _WORTH_TELLING_S for bar in timeline.bars):
        parts.append("<span><u></u>inputs ready, waiting to start</span>")
    return f"<div class=keys>{''.join(parts)}</div>\n"


def _axis(duration_s: float, spacing: float) -> str:
    marks = ["<span style=left:0>0</span>"]
    number = 1
    while spacing and number * spacing < duration_s * 0.97:
        at = number * spacing
        marks.append(f"<span style=left:{percent(at, duration_s)}>{human_duration(at)}</span>")
        number += 1
    track = f"<div class=track>{''.join(marks)}</div>"
    return f'<div class="grid axis"><span>step</span>{track}<span class=took>time</span></div>\n'


def _head(group: Group) -> str:
    busy_s = sum(bar.duration_s for bar in group.bars)
    ran = sum(bar.started is not None for bar in group.bars)
    count = _steps(len(group.bars))
    told = f"{count}, {ran} ran: {human_duration(busy_s)}" if ran else f"{count}, none ran"
    return f"<div class=group>{clipped(group.name, _NAME_WIDTH)} <small>{told}</small></div>\n"


def _rows(group: Group, *, many: bool) -> tuple[Sequence[Bar], Sequence[Bar]]:
    """Those with a row of their own, and those that share one."""
    idle = [bar for bar in group.bars if _is_idle(bar)]
    if not many or len(idle) < 2:
        return group.bars, ()
    return [bar for bar in group.bars if not _is_idle(bar)], idle


def _is_idle(bar: Bar) -> bool:
    return bar.outcome in {Outcome.CACHED, Outcome.UNNEEDED}


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


def _shared(head: str, bars: Sequence[Bar], duration_s: float) -> str:
    """One row for all of them."""
    cached = sum(bar.outcome is Outcome.CACHED for bar in bars)
    words = [f"{cached} cached"] if cached else []
    words += [f"{len(bars) - cached} not needed"] if len(bars) > cached else []
    places = dict.fromkeys(percent(bar.completed, duration_s) for bar in bars if bar.completed is not None)
    marks = "".join(f'<i class="cached mark" style=left:{place}></i>' for place in places)
    inside = "".join(f"<li>{clipped(bar.name, _NAME_WIDTH)}</li>" for bar in bars)
    return (
        f"<details class=row><summary class=grid><span class=name><small></small>{line(head)} {', '.join(words)}</span>"
        f"<div class=track>{marks}</div><span></span></summary><div class=inside><ul>{inside}</ul></div></details>\n"
    )


def _row(bar: Bar, duration_s: float, logs: LogShelf, bars: Mapping[Digest, Bar]) -> str:
    took = human_duration(bar.duration_s) if bar.started is not None else ""
    critical = "<b title='on the critical path'>◆</b> " if bar.critical else ""
    return (
        f"<details class=row id={anchor(bar.number)}><summary class=grid>"
        f'<span class=name title="{line(bar.name)}"><small>{bar.number}</small>{critical}'
        f"{clipped(bar.text, _NAME_WIDTH) or clipped(bar.name, _NAME_WIDTH)}</span>"
        f"<div class=track>{_bar(bar, duration_s)}</div><span class=took>{took}</span></summary>"
        f"<div class=inside>{''.join(_inside(bar, bars))}{logs.show(bar)}</div></details>\n"
    )


def _bar(bar: Bar, duration_s: float) -> str:
    word = OUTCOME_WORDS[bar.outcome]
    kind = bar.outcome.name.lower()
    if bar.started is None:
        if bar.completed is None:
            return f"<span class=dim>{_never(bar)}</span>"
        place = percent(bar.completed, duration_s)
        return f'<i class="{kind} mark" style=left:{place} title="{word}"></i>'
    critical = " critical" if bar.critical else ""
    waiting = ""
    if bar.waited_s > _WORTH_TELLING_S and bar.ready is not None:
        waited = f"waited {human_duration(bar.waited_s)}"
        waiting = (
            f'<u style="left:{percent(bar.ready, duration_s)};width:{percent(bar.waited_s, duration_s)}"'
            f' title="{waited}"></u>'
        )
    return (
        f'{waiting}<i class="{kind}{critical}" style="left:{percent(bar.started, duration_s)};'
        f'width:{percent(bar.duration_s, duration_s)}" title="{word}, {human_duration(bar.duration_s)}"></i>'
    )


def _inside(bar: Bar, bars: Mapping[Digest, Bar]) -> Iterator[str]:
    """What a row tells when it is opened."""
    yield f"<p class=mono>{clipped(bar.name, _COMMAND_WIDTH)}</p>"
    yield f"<p>{_how(bar)}</p>"
    if bar.error and bar.outcome is Outcome.FAILED:
        yield f"<p><b>{line(bar.error)}</b></p>"
    for reason in bar.reasons:
        yield f"<p>why it ran: {line(reason.summary)}</p>"
        if reason.details:
            told = list(reason.details[:_MOST_DETAILS])
            if len(reason.details) > _MOST_DETAILS:
                told.append(f"… and {len(reason.details) - _MOST_DETAILS} more")
            yield f"<pre class=tall>{block(chr(10).join(told))}</pre>"
    fed = [bars[digest] for digest in bar.inputs if digest in bars]
    if fed:
        links = ", ".join(
            f'<a href="#{anchor(one.number)}">{one.number} {clipped(one.text, 40)}</a>' for one in fed[:20]
        )
        yield f"<p>built on {links}{', …' if len(fed) > 20 else ''}</p>"
    if bar.node is not None:
        if bar.node.command and bar.node.command[-1] not in bar.name:
            yield f"<p class=mono>{clipped(shlex.join(bar.node.command), _COMMAND_WIDTH)}</p>"
        for place in bar.node.places[:1]:
            yield f"<p class=faint>{line(f'{place.path}:{place.line}')} · <span class=mono>{bar.vertex}</span></p>"


def _how(bar: Bar) -> str:
    if bar.started is None:
        return _never(bar)
    told = f"{OUTCOME_WORDS[bar.outcome]} in {human_duration(bar.duration_s)}, from {_clock(bar.started)}"
    if bar.waited_s > _WORTH_TELLING_S:
        told += f"; waited {human_duration(bar.waited_s)} after its inputs were ready"
    if bar.usage is not None:
        told += f"; {human_usage(bar.usage)}"
    return told


def _never(bar: Bar) -> str:
    """Of a step that never started."""
    return "not reached" if bar.outcome is Outcome.CANCELED else OUTCOME_WORDS[bar.outcome]


def _clock(at: float) -> str:
    return f"{at:.3f} s on"
