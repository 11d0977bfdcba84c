"""Which earlier step a step that ran is to be held against.

The newest record of the very vertex, or else of the step that looks most like it: the same name, or the same place in
its stage and the same instruction, or at least much the same text.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .derivations import Derivation

__all__ = ["CANDIDATES", "nearest", "text_of"]

CANDIDATES = 200  # earlier steps worth a look
_ALIKE = 0.5  # of the text; below, two steps have nothing to do with each other
_COMPARED = 300  # characters
_PLACE = re.compile(r"\[(?P<stage>.*?)\s*(?P<number>\d+)/\d+\]\s*(?P<text>.*)", re.DOTALL)


def nearest(now: Derivation, earlier: Iterable[Derivation]) -> Derivation | None:
    """The one of `earlier` (newest first, one per name) that is most like it; None when nothing is."""
    best: Derivation | None = None
    best_score = 0.0
    for candidate in earlier:
        if candidate.vertex == now.vertex:
            return candidate
        if candidate.op.keys() == now.op.keys():
            score = _likeness(now.name, candidate.name, best_score)
            if score > best_score:
                best, best_score = candidate, score
    return best


def text_of(name: str) -> str:
    """The instruction, without the place in front of it: `RUN make` of `[build 2/3] RUN make`."""
    match = _PLACE.match(name)
    return match["text"] if match else name


def _likeness(name: str, other: str, least: float) -> float:
    """0 for steps that have nothing in common. What cannot come to more than `least` is not looked at closely."""
    if name == other:
        return 3.0
    mine, its = _PLACE.match(name), _PLACE.match(other)
    text, text_of_other = text_of(name)[:_COMPARED], text_of(other)[:_COMPARED]
    if text.partition(" ")[0] != text_of_other.partition(" ")[0]:
        return 0.0  # a RUN is no COPY
    same_place = mine is not None and its is not None and mine.group("stage", "number") == its.group("stage", "number")
    bonus = 1.0 if same_place else 0.0
    matcher = SequenceMatcher(None, text, text_of_other, autojunk=False)
    if bonus + matcher.real_quick_ratio() <= least or bonus + matcher.quick_ratio() <= least:
        return 0.0
    ratio = matcher.ratio()
    return bonus + ratio if same_place or ratio >= _ALIKE else 0.0
