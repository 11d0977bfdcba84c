"""The critical path as a table: the steps that the build's time was spent on, whatever else ran beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import human_duration
from .markup import anchor, clipped, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .timeline import Bar, Timeline

__all__ = ["path_table"]

_NAME_WIDTH = 110
_MOST_ROWS = 40
_REST = "the rest: compiling, asking registries, waiting, exporting"
_HEAD = (
    "<p class=faint>The chain of steps that decided how long the build took:"
    " where steps beside it get faster, nothing is won.</p>\n"
    "<table><thead><tr><th>step</th><th class=right>time</th><th class=right>of the build</th><th></th></tr></thead>\n"
)


def path_table(timeline: Timeline) -> str:
    """In order; of a long path the longest steps, and the others as one."""
    whole_s = timeline.duration_s
    longest = sorted(timeline.path, key=lambda bar: bar.duration_s, reverse=True)[:_MOST_ROWS]
    listed = timeline.path if len(timeline.path) <= _MOST_ROWS else [bar for bar in timeline.path if bar in longest]
    rows = [_row(_name(bar), bar.duration_s, whole_s, bar=True) for bar in listed]
    others = len(timeline.path) - len(listed)
    sum_s = _sum(timeline.path)
    if others:
        rows.append(_row(f"{others:,} shorter steps", sum_s - _sum(listed), whole_s, bar=True))
    count = "1 step" if len(timeline.path) == 1 else f"{len(timeline.path):,} steps"
    rows.append(_row(count, sum_s, whole_s, kind=" class=sum"))
    rows.append(_row(f"<span class=faint>{_REST}</span>", max(0.0, whole_s - sum_s), whole_s))
    return f"{_HEAD}<tbody>{''.join(rows)}</tbody></table>\n"


def _name(bar: Bar) -> str:
    return f'<a href="#{anchor(bar.number)}">{clipped(bar.name, _NAME_WIDTH)}</a>'


def _sum(bars: Sequence[Bar]) -> float:
    return sum(bar.duration_s for bar in bars)


def _row(what: str, part_s: float, whole_s: float, *, bar: bool = False, kind: str = "") -> str:
    share = f"{100 * part_s / whole_s:.0f}%" if whole_s else ""
    drawn = f'<td class="share critical"><i style=width:{percent(part_s, whole_s)}></i></td>' if bar else "<td></td>"
    return (
        f"<tr{kind}><td>{what}</td><td class=right>{human_duration(part_s)}</td>"
        f"<td class=right>{share}</td>{drawn}</tr>\n"
    )
