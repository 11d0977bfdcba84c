"""Whole numbers and truths as Go reads them. `int()` would also take `1_0`, blanks and digits of other scripts."""

from __future__ import annotations

__all__ = ["read_int", "read_truth"]

_LONGEST = 18  # digits; every such number fits Go's int64
_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def read_int(text: str) -> int | None:
    """A decimal number with an optional sign; None for any other text."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits.isascii() or not digits.isdigit() or len(digits) > _LONGEST:
        return None
    return int(text)


def read_truth(text: str) -> bool | None:
    """What strconv.ParseBool takes for true or false; None for any other text."""
    return _TRUTHS.get(text)
