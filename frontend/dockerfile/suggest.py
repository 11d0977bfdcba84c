""" "Did you mean": the nearest known word, if it is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

_TOO_FAR = 3
_LONGEST = 64


def nearest(word: str, known: Iterable[str], *, ignore_case: bool = False) -> str:
    """The known word with the fewest edits to `word`; "" when all are three or more away, or one is equal."""
    if len(word) > _LONGEST:
        return ""
    wanted = word.lower() if ignore_case else word
    best, least = "", _TOO_FAR
    for candidate in known:
        text = candidate.lower() if ignore_case else candidate
        if text == wanted:
            return ""
        if abs(len(text) - len(wanted)) < least:
            distance = _distance(wanted, text)
            if distance < least:
                best, least = candidate, distance
    return best


def did_you_mean(word: str, known: Iterable[str], *, ignore_case: bool = False) -> str:
    """A hint, or "" when nothing is near."""
    found = nearest(word, known, ignore_case=ignore_case)
    if ignore_case and found and word == word.lower():
        found = found.lower()
    return f"did you mean {found}?" if found else ""


def _distance(left: str, right: str) -> int:
    """Levenshtein's."""
    row = list(range(len(right) + 1))
    for number, char in enumerate(left, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(right, 1):
            change = previous + (char != other)
            previous = row[at]
            row[at] = min(change, previous + 1, row[at - 1] + 1)
    return row[-1]
