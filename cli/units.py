"""Sizes and times for people, as docker writes them (docker/go-units)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..solver import ProcessUsage

__all__ = ["age", "human_duration", "human_size", "human_usage", "seconds_since_1970"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def human_size(size_bytes: int) -> str:
    """Decimal units, three digits: 0B, 1.05MB, 77.8MB, 123kB."""
    size, unit = float(size_bytes), 0
    # go-units prints 999999 as 1e+03kB; 1MB is what it means
    while size >= 999.5 and unit < len(_UNITS) - 1 and not (unit == 0 and size < 1000):
        size /= 1000
        unit += 1
    return f"{size:.3g}{_UNITS[unit]}" if size < 1000 else f"{size:.0f}{_UNITS[unit]}"


def human_duration(seconds: float) -> str:
    """How long something took, two or three digits of it: 9ms, 1.2s, 43s, 2m05s, 1h02m."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = int(seconds + 0.5)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02d}s"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02d}m"


def human_usage(usage: ProcessUsage) -> str:
    """What a process took, in some words."""
    words = f"{human_duration(usage.user_s + usage.system_s)} of CPU time, {human_size(usage.max_rss_bytes)} of memory"
    for size_bytes, what in ((usage.read_bytes, "read"), (usage.written_bytes, "written")):
        words += f", {human_size(size_bytes)} {what}" if size_bytes else ""
    return words


def age(seconds: float) -> str:
    """How long ago: "About a minute ago", "3 days ago"."""
    minutes, hours = int(seconds / _MINUTE), int(seconds / _HOUR + 0.5)
    if seconds < 1:
        text = "Less than a second"
    elif seconds < _MINUTE:
        text = _count(int(seconds), "second")
    elif minutes == 1:
        text = "About a minute"
    elif minutes < 60:
        text = f"{minutes} minutes"
    elif hours == 1:
        text = "About an hour"
    elif hours < 48:
        text = f"{hours} hours"
    else:
        text = _long(hours)
    return f"{text} ago"


def _long(hours: int) -> str:
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds_since_1970(rfc3339: str) -> float | None:
    """Read an image's time; None for "", for Go's zero time and for what is no time."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(rfc3339)
    except ValueError:
        return None
    if moment.year <= 1:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
