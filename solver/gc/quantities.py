"""Durations and amounts of disk as people write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from .rules import Disk

__all__ = ["Space", "parse_duration", "parse_space"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SPACE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*|%)")
_PREFIXES = "kmgtp"


@frozen(kw_only=False)
class Space:
    """An amount of disk: bytes, and a share of the whole disk in percent. Both zero: none was given."""

    size_bytes: int = 0
    percent: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.size_bytes or self.percent)

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.percent else str(self.size_bytes)

    def on(self, disk: Disk) -> int:
        """In bytes."""
        return self.size_bytes or int(disk.total_bytes * self.percent / 100)


def parse_duration(text: str) -> float:
    """Seconds: `72h`, `1h30m`, `60d`; a bare number counts seconds. Raises ValueError."""
    if text.isascii() and text.isdecimal():
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected a duration like 72h, 1h30m or 60d, found {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_space(text: str) -> Space:
    """`512MB`, `10GiB`, `20%`; a bare number counts bytes. MB are a million bytes, MiB are 1024². Raises ValueError."""
    found = _SPACE.fullmatch(text.strip())
    unit = found[2].lower() if found else "?"
    if found and unit == "%" and float(found[1]) <= 100:
        return Space(percent=float(found[1]))
    prefix = unit.removesuffix("b").removesuffix("i")
    if not found or unit == "%" or (prefix and (len(prefix) != 1 or prefix not in _PREFIXES)) or unit in {"i", "ib"}:
        raise ValueError(f"expected an amount like 512MB, 10GiB or 20%, found {text!r}")
    power = _PREFIXES.index(prefix) + 1 if prefix else 0
    return Space(int(float(found[1]) * (1024 if "i" in unit else 1000) ** power))
