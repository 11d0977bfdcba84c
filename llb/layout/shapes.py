"""What a layout is asked for, and what it answers. Lengths are pixels, y grows downwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

__all__ = ["LOOSE", "Box", "Layout", "Point", "Rect", "Wire"]

LOOSE = -1
Point: TypeAlias = "tuple[float, float]"


@frozen
class Box:
    """A box to place: its row, and the number of the frame it belongs in, or LOOSE."""

    row: int
    width: float
    height: float
    frame: int = LOOSE


@frozen
class Wire:
    """A connection from a box to one in a lower row, by number. A `base` wire is the main one into its target."""

    source: int
    target: int
    base: bool = True


@frozen(kw_only=False)
class Rect:
    x: float
    y: float
    width: float
    height: float


@frozen
class Layout:
    """Where everything stands: boxes and wires in the order given, frames by number.

    A wire is the corners of a line of horizontal and vertical pieces, from below its source to the top of its target.
    """

    width: float
    height: float
    boxes: tuple[Rect, ...]
    frames: Mapping[int, Rect]
    wires: tuple[tuple[Point, ...], ...]
