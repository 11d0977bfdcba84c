"""Whole numbers and truths as people write them. `int()` would also take `1_0`, blanks and digits of other scripts."""

from __future__ import annotations

__all__ = ["read_bool", "read_int"]

_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_LONGEST = 18  # digits; every such number fits Go's int64


def read_int(text: str) -> int | None:
    """A decimal number with an optional sign; None for any other text."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > _LONGEST:
        return None
    return int(text)


def read_bool(text: str) -> bool | None:
    """What Go's strconv.ParseBool takes; None for any other text."""
    return _TRUTHS.get(text)
