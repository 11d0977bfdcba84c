"""One thing found out about the machine."""

from __future__ import annotations

from enum import Enum

from ...values import frozen

__all__ = ["Finding", "Level"]


class Level(Enum):
    """What it means for builds."""

    GOOD = "good"  # all there is
    LIMITED = "limited"  # builds work; something is missing that some want
    MISSING = "missing"  # what is not there and what not every build needs
    BROKEN = "broken"  # no process can run


@frozen
class Finding:
    """`hint`: what to install, enable or run otherwise to have more; "" where there is no more to have."""

    name: str
    value: str
    level: Level = Level.GOOD
    hint: str = ""
