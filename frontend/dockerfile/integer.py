"""Whole numbers as people write them. `int()` would also take `1_0`, blanks and digits of other scripts."""

from __future__ import annotations

__all__ = ["read_int"]

_LONGEST = 18  # digits; every such number fits Go's int64


def read_int(text: str) -> int | None:
    """A decimal number with an optional sign; None for any other text."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > _LONGEST:
        return None
    return int(text)
