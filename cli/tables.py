"""Rows of text under headings, aligned as docker's tables are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .text import cell_width, pad, single_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["render_table"]

_GAP = 3
_NARROWEST = 10


def render_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, three spaces apart; each row ends with a newline, none with spaces."""
    cells = [list(headings), *([single_line(cell) for cell in row] for row in rows)]
    widths = [max(_NARROWEST, _GAP + max(cell_width(row[column]) for row in cells)) for column in range(len(headings))]
    lines = ("".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "".join(f"{line}\n" for line in lines)
