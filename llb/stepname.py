"""The stage that a vertex's name tells of. Apart from `naming`, since a build has no use for it."""

from __future__ import annotations

import re

from ..values import frozen

__all__ = ["StepName", "parse_step_name"]

_NUMBERED = re.compile(r"\[(?P<stage>[^\]\n]*?) *(?P<number>\d{1,9})/(?P<total>\d{1,9})\] ?(?P<text>.*)", re.DOTALL)
_INTERNAL = "[internal] "


@frozen
class StepName:
    """A vertex's name taken apart: `[linux/amd64 build 2/5] RUN make` has stage `linux/amd64 build`, text `RUN make`.

    `stage` is empty in a build file of one unnamed stage, `number` and `total` are 0 for what is no numbered step.
    """

    text: str
    stage: str = ""
    number: int = 0
    total: int = 0


def parse_step_name(name: str) -> StepName:
    """Take apart the names that BuildKit's Dockerfile frontend gives, ours likewise; any other is all text."""
    found = _NUMBERED.fullmatch(name)
    if found is None:
        return StepName(text=name.removeprefix(_INTERNAL))
    return StepName(text=found["text"], stage=found["stage"], number=int(found["number"]), total=int(found["total"]))
