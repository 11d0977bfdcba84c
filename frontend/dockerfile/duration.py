"""Durations the way Go writes and reads them: `1m30s`, `500ms`."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = r"([0-9]{0,19})(?:\.([0-9]{0,30}))?([^0-9.]+)"  # compiled when a duration is met
_MOST = (1 << 63) - 1


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises ValueError saying what is wrong."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"{text!r} is not a duration")
    part = re.compile(_PART)
    total = at = 0
    while at < len(rest):
        match = part.match(rest, at)
        if match is None:
            raise ValueError(f"{text!r} has no unit")
        whole, fraction, unit = match.groups()
        if (not whole and not fraction) or unit not in _UNITS:
            raise ValueError(f"{text!r} is not a duration: {unit!r} is no unit")
        size = _UNITS[unit]
        total += int(whole or 0) * size
        if fraction:
            total += int(fraction) * size // 10 ** len(fraction)
        at = match.end()
    if total > _MOST:
        raise ValueError(f"{text!r} is longer than 292 years")
    return sign * total


def format_duration(ns: int) -> str:
    """As Go's Duration.String."""
    if ns == 0:
        return "0s"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    for size, unit in ((1_000, "ns"), (10**6, "µs"), (10**9, "ms")):
        if ns < size:
            return sign + _decimal(ns, size // 1000) + unit
    seconds, fraction = divmod(ns, 10**9)
    minutes, seconds = divmod(seconds, 60)
    text = _decimal(seconds * 10**9 + fraction, 10**9) + "s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{minutes}m{text}"
        if hours:
            text = f"{hours}h{text}"
    return sign + text


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    return f"{whole}." + str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")
