"""`image prune --filter`: docker's `until=`, `label=`, `label!=` and `dangling=`. All that are given must hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...solver.gc import parse_duration
from ...values import frozen
from ..units import seconds_since_1970

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ImageFilters", "parse_image_filters"]

_KEYS = "until=TIME|DURATION, label=KEY[=VALUE], label!=KEY[=VALUE], dangling=true|false"
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@frozen
class ImageFilters:
    """`until`: made before, in seconds since 1970. `labels`: wanted or not, key, and value if one was given."""

    until: float | None = None
    labels: tuple[tuple[bool, str, str | None], ...] = ()
    dangling: bool | None = None

    def match(self, created: float, labels: Mapping[str, str]) -> bool:
        """created: in seconds since 1970."""
        if self.until is not None and created >= self.until:
            return False
        return all((key in labels and value in (None, labels[key])) is wanted for wanted, key, value in self.labels)


def parse_image_filters(texts: Sequence[str], now: float | None = None) -> ImageFilters:
    """Raises UsageError."""
    until, labels, dangling = None, [], None
    for text in texts:
        key, equals, value = text.partition("=")
        wanted = not key.endswith("!")
        match key.removesuffix("!"):
            case "until" if equals and wanted:
                until = _moment(text, value, time.time() if now is None else now)
            case "label" if value:
                name, has_value, expected = value.partition("=")
                labels.append((wanted, name, expected if has_value else None))
            case "dangling" if wanted and value in (*_TRUE, *_FALSE):
                dangling = value in _TRUE
            case _:
                raise UsageError(f"filter {text!r} is of no known form", hint=f"there are {_KEYS}")
    return ImageFilters(until=until, labels=tuple(labels), dangling=dangling)


def _moment(text: str, value: str, now: float) -> float:
    """A time, or so long ago; a bare number counts seconds since 1970, as in docker."""
    if value.isascii() and value.isdecimal():
        return float(value)
    found = seconds_since_1970(value)
    if found is not None:
        return found
    try:
        return now - parse_duration(value)
    except ValueError:
        raise UsageError(f"filter {text!r}: expected a time like 2024-05-06T07:08:09Z or a duration like 24h") from None
