"""How many steps ran at each moment, as a line of steps; with the average, and the machine's cores for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import human_duration
from .markup import percent

if TYPE_CHECKING:
    from .timeline import Timeline

__all__ = ["parallelism_chart"]

_WIDTH, _HEIGHT = 10_000, 1_000  # of the drawing, which the page stretches


def parallelism_chart(timeline: Timeline, cpus: int) -> str:
    """cpus: 0 where that is not known."""
    top = max(timeline.maximum, 1) * 1.15
    if cpus <= 3 * timeline.maximum:  # else the line would leave no room for what it is compared with
        top = max(top, cpus * 1.08)
    path = _steps(timeline, top)
    lines = [_level("mean", timeline.average, top)]
    labels = [_label(f"{timeline.average:.1f} on average", timeline.average, top, "left:0")]
    labels.append(_label(f"{timeline.maximum} at most", timeline.maximum, top, "left:38%"))
    if 0 < cpus <= top:
        lines.append(_level("cores", cpus, top))
        labels.append(_label(f"{cpus} CPUs", cpus, top, "right:0"))
    return (
        '<div class=chart><svg viewBox="0 0 10000 1000" preserveAspectRatio="none" role="img"'
        ' aria-label="steps running over time">'
        f'<path class="area" d="{path} V{_HEIGHT} H0 Z"/><path class="steps" d="{path}"/>{"".join(lines)}</svg>'
        f"{''.join(labels)}</div>"
        f"<div class=below><span>0</span><span>{human_duration(timeline.duration_s)}</span></div>\n"
    )


def _steps(timeline: Timeline, top: float) -> str:
    parts = [f"M0,{_HEIGHT}"]
    for at, count in timeline.running:
        x = round(_WIDTH * min(1.0, at / timeline.duration_s)) if timeline.duration_s else 0
        parts.append(f"H{x} V{_y(count, top)}")
    return " ".join([*parts, f"H{_WIDTH}"])


def _y(count: float, top: float) -> int:
    return round(_HEIGHT * (1 - count / top))


def _level(kind: str, count: float, top: float) -> str:
    return f'<path class="{kind}" d="M0,{_y(count, top)} H{_WIDTH}"/>'


def _label(text: str, count: float, top: float, side: str) -> str:
    return f'<span style="{side};bottom:{percent(count, top)}">{text}</span>'
