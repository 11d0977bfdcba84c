"""Which earlier step a step that ran is to be held against, when neither it nor one of its name was recorded before.

A build file that got a line more has all that follows in another place; so the text comes first: the same text in the
same stage, then the same place with the same instruction, then the same text anywhere, then what reads much like it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["EarlierSteps", "text_of"]

_CANDIDATES = 100  # texts worth a close look, the newest: each costs 20 µs
_ALIKE = 0.5  # of the text; below, two steps have nothing to do with each other
_COMPARED = 300  # characters
_PLACE = re.compile(r"\[(?P<stage>.*?)\s*(?P<number>\d+)/(?P<total>\d+)\]\s*(?P<text>.*)", re.DOTALL)


class _Place(NamedTuple):
    """Where a step stands; `number` -1: nowhere, as its name does not say."""

    stage: str = ""
    number: int = -1
    total: int = -1


class _Step(NamedTuple):
    record: int
    place: _Place
    text: str


class EarlierSteps:
    """The steps that were recorded before some moment, by their names."""

    def __init__(self, names: Iterable[tuple[str, int]]) -> None:
        """names: with the number of the newest record of each, newest first."""
        self._by_text: dict[str, list[_Step]] = {}
        self._by_place: dict[tuple[str, int], list[_Step]] = {}
        self._by_instruction: dict[str, list[_Step]] = {}
        for name, record in names:
            place, text = _split(name)
            step = _Step(record, place, text)
            self._by_text.setdefault(text, []).append(step)
            if place.number >= 0:
                self._by_place.setdefault((place.stage, place.number), []).append(step)
            self._by_instruction.setdefault(_instruction(text), []).append(step)

    def like(self, name: str) -> Iterator[int]:
        """Numbers of the records of steps that are like the one of this name, the likest first."""
        place, text = _split(name)
        same_text = self._by_text.get(text, [])
        in_stage = [step for step in same_text if step.place.stage == place.stage]
        if in_stage:
            yield _closest(in_stage, place.number).record
        instruction = _instruction(text)
        in_place = [
            step
            for step in self._by_place.get((place.stage, place.number), ())
            if _instruction(step.text) == instruction  # a RUN is no COPY
        ]
        if in_place:
            yield from (step.record for _, step in _by_likeness(text, in_place))
        if same_text:
            yield same_text[0].record
        candidates = self._by_instruction.get(instruction, ())[:_CANDIDATES]
        yield from (step.record for ratio, step in _by_likeness(text, candidates) if ratio >= _ALIKE)


def text_of(name: str) -> str:
    """The instruction, without the place in front of it: `RUN make` of `[build 2/3] RUN make`."""
    return _split(name)[1]


def _closest(steps: list[_Step], number: int) -> _Step:
    """Of steps of one text in one stage: the one that stood next to this place in the newest of those builds."""
    total = steps[0].place.total
    return min((step for step in steps if step.place.total == total), key=lambda step: abs(step.place.number - number))


def _by_likeness(text: str, steps: Iterable[_Step]) -> list[tuple[float, _Step]]:
    """With how much each one's text is like this: 1 for the same; the likest, then the newest, first."""
    from difflib import SequenceMatcher  # seldom needed

    matcher = SequenceMatcher(None, "", text[:_COMPARED], autojunk=False)  # looks into the second one just once
    found: list[tuple[float, _Step]] = []
    best = 0.0
    for step in steps:
        matcher.set_seq1(step.text[:_COMPARED])
        if found and (matcher.real_quick_ratio() <= best or matcher.quick_ratio() <= best):
            continue  # cannot come to more
        ratio = matcher.ratio()
        best = max(best, ratio)
        found.append((ratio, step))
    return sorted(found, key=lambda one: -one[0])


def _instruction(text: str) -> str:
    return text.partition(" ")[0]


def _split(name: str) -> tuple[_Place, str]:
    """A name's place and its instruction."""
    found = _PLACE.match(name)
    if found is None:
        return _Place(), name
    return _Place(found["stage"], int(found["number"]), int(found["total"])), found["text"]
