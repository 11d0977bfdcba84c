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
    likeness = _Likeness(now.name)
    for candidate in earlier:
        if candidate.vertex == now.vertex:
            return candidate
        if candidate.op.keys() == now.op.keys():
            score = likeness.of(candidate.name, best_score)
            if score > best_score:
                best, best_score = candidate, score
    return best


def text_of(name: str) -> str:
    """The instruction, without the place in front of it: `RUN make` of `[build 2/3] RUN make`."""
    return _split(name)[1]


class _Likeness:
    """How much other steps' names look like one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._place, text = _split(name)
        self._instruction = text.partition(" ")[0]
        self._text = text[:_COMPARED]
        self._matcher = SequenceMatcher(None, "", self._text, autojunk=False)  # looks into the second one just once

    def of(self, other: str, least: float) -> float:
        """0 for steps that have nothing in common. What cannot come to more than `least` is not looked at closely."""
        if self._name == other:
            return 3.0
        place, text = _split(other)
        if text.partition(" ")[0] != self._instruction:
            return 0.0  # a RUN is no COPY
        same_place = place is not None and place == self._place
        bonus = 1.0 if same_place else 0.0
        if bonus + 1.0 <= least:
            return 0.0
        matcher = self._matcher
        matcher.set_seq1(text[:_COMPARED])
        if bonus + matcher.real_quick_ratio() <= least or bonus + matcher.quick_ratio() <= least:
            return 0.0
        ratio = matcher.ratio()
        return bonus + ratio if same_place or ratio >= _ALIKE else 0.0


def _split(name: str) -> tuple[tuple[str, str] | None, str]:
    """A name's place, as stage and number, and its instruction."""
    found = _PLACE.match(name)
    return (None, name) if found is None else ((found["stage"], found["number"]), found["text"])
