"""A layered drawing: boxes in rows, frames around those that belong together, wires that cross no box.

    layout = lay_out(boxes, wires)

Boxes stand in a grid of columns; what lies between columns and rows are channels for the wires, as wide as the
wires in them need. Pure arithmetic on sizes: what a box means, and in which format it is drawn, is not known here.
"""

from __future__ import annotations

from .geometry import lay_out
from .shapes import LOOSE, Box, Layout, Rect, Wire

__all__ = ["LOOSE", "Box", "Layout", "Rect", "Wire", "lay_out"]
