"""What a server says of its limits: when to come again (RFC 9110, `Retry-After`), and how much it allows.

Docker Hub's headers are `ratelimit-limit: 100;w=21600` (so many in so many seconds), `ratelimit-remaining` likewise and
`docker-ratelimit-source`; others have `x-ratelimit-…` or a `ratelimit-reset` in seconds.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["retry_after", "spoken_duration", "spoken_limit"]

_LONGEST_S = 10**7  # what is longer is no time to wait for, but a mistake
_AMOUNT = re.compile(r"\s*(\d{1,12})(?:\s*;\s*w=(\d{1,9}))?")


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait from `now` (by this machine's clock unless given); None when the server does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:12]), _LONGEST_S))
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(max(0.0, at - (time.time() if now is None else now)), _LONGEST_S)


def spoken_limit(headers: Mapping[str, str]) -> str:
    """`; 100 requests in 6 h, 0 left, counted by 192.0.2.1`; "" when nothing is said."""
    limit, remaining = (
        _AMOUNT.match(headers.get(f"ratelimit-{name}", "") or headers.get(f"x-ratelimit-{name}", ""))
        for name in ("limit", "remaining")
    )
    words = []
    if limit is not None:
        words.append(f"{limit[1]} requests" + (f" in {spoken_duration(int(limit[2]))}" if limit[2] else ""))
    if remaining is not None:
        words.append(f"{remaining[1]} left")
    source = headers.get("docker-ratelimit-source", "")[:100]
    if words and source.isprintable() and source:
        words.append(f"counted by {source}")
    return f"; {', '.join(words)}" if words else ""


def spoken_duration(seconds: float) -> str:
    """`90 s`, `6 h`: in the largest unit that goes into it without a rest of weight."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size and seconds % size < size / 10:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
