"""What the cache spared, and why it did not spare the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...solver import Cause, Outcome
from .markup import anchor, clipped, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .timeline import Bar, Timeline

__all__ = ["cache_section"]

_SHOWN = 8  # steps named per reason
_NAME_WIDTH = 100
_REASON_WIDTH = 200
_MOST_REASONS = 60
_UNKNOWN = "why is not on record"
# What follows from something else comes after what happened by itself.
_ORDER = {cause: place for place, cause in enumerate(Cause)} | {Cause.NEW: 90, Cause.INPUT: 91}


def cache_section(timeline: Timeline) -> str:
    """Hits by name where they are few, misses by their reasons."""
    vertices = [bar for bar in timeline.bars if bar.node is not None]
    hits = [bar for bar in vertices if bar.outcome in {Outcome.CACHED, Outcome.UNNEEDED}]
    misses = [bar for bar in vertices if _missed(bar)]
    parts = [f"<p>{_count(hits, misses)}</p>\n"]
    if misses:
        parts.append("<h3>Why steps ran</h3>\n")
        parts.append(_reasons(misses))
    if hits:
        parts.append("<h3>What did not have to run</h3>\n")
        parts.append(_names(hits))
    return "".join(parts)


def _missed(bar: Bar) -> bool:
    """It ran, and a stored result could have served: that of a local folder is read anew in every build."""
    local = bar.node is not None and bar.node.op == "source" and bar.name.endswith("load build context")
    return bar.outcome in {Outcome.EXECUTED, Outcome.FAILED} and bool(bar.reasons or not local)


def _count(hits: Sequence[Bar], misses: Sequence[Bar]) -> str:
    cached = sum(bar.outcome is Outcome.CACHED for bar in hits)
    spared = len(hits) - cached
    told = [f"{cached} found in the cache"]
    if spared:
        told.append(f"{spared} not even looked up, since a result further up spared them")
    told.append(f"{len(misses)} ran (reading local folders not counted)")
    return "; ".join(told) + "."


def _reasons(misses: Iterable[Bar]) -> str:
    """Steps with the same reason stand together."""
    found: dict[tuple[int, str], list[Bar]] = {}
    for bar in misses:
        first = bar.reasons[0] if bar.reasons else None
        if first is None:
            key = (99, _UNKNOWN)
        elif first.cause is Cause.INPUT:
            key = (_ORDER[first.cause], "built on a result that is another now")
        else:
            key = (_ORDER[first.cause], first.summary)
        found.setdefault(key, []).append(bar)
    rows = [
        f"<tr><td>{clipped(summary, _REASON_WIDTH)}</td><td>{_names(bars)}</td></tr>\n"
        for (_, summary), bars in sorted(found.items(), key=lambda item: item[0][0])[:_MOST_REASONS]
    ]
    if len(found) > _MOST_REASONS:
        rows.append(f"<tr><td class=faint>and {len(found) - _MOST_REASONS} other reasons</td><td></td></tr>\n")
    return (
        "<table class=fixed><thead><tr><th style=width:42%>what was different</th><th>steps</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>\n"
    )


def _names(bars: Sequence[Bar]) -> str:
    shown = "".join(_name(bar) for bar in bars[:_SHOWN])
    rest = bars[_SHOWN:]
    if not rest:
        return f"<ul class=names>{shown}</ul>"
    more = "".join(_name(bar) for bar in rest)
    behind = f"<details class=more><summary>{len(rest)} more</summary><ul class=names>{more}</ul></details>"
    return f"<ul class=names>{shown}</ul>{behind}"


def _name(bar: Bar) -> str:
    shown = clipped(bar.name, _NAME_WIDTH)
    return f'<li><a href="#{anchor(bar.number)}" title="{line(bar.name[:300])}">{shown}</a></li>'
