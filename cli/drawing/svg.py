"""SVG 1.1 with CSS, for browsers: no scripts, no fonts of its own, light and dark as the reader prefers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...llb import rows_of
from ...llb.layout import LOOSE, Box, Wire, lay_out
from ..text import cell_width, clip, single_line
from .svg_style import LINE_PX, NOTE_CELL_PX, STYLE, TEXT_CELL_PX
from .svg_texts import Label, legend_of, make_label, title_of
from .words import tooltip_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...llb.layout import Layout, Rect
    from .picture import Link, Node, Picture
    from .svg_texts import Key

__all__ = ["inline_svg", "render_svg"]

_PAD_PX = 12.0
_NARROWEST_PX = 120.0
_CORNER_PX = 7.0
_HEADER_PX = 62.0
_KEY_GAP_PX = 22.0
# XML 1.0, section 2.2, "Char": these cannot be written at all, not even escaped. Control characters went before.
_NO_CHAR = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render_svg(picture: Picture) -> str:
    """The whole document. What does not fit into a box is in its tooltip."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{inline_svg(picture)}'


def inline_svg(picture: Picture) -> str:
    """The same as an element of an HTML page, to which its style then applies as well."""
    labels = [make_label(node) for node in picture.nodes]
    layout = _layout(picture, labels)
    keys = legend_of(picture)
    title = title_of(picture)
    width = max(layout.width, _keys_width(keys), 2 * _PAD_PX + cell_width(title) * TEXT_CELL_PX * 1.3)
    left, top = (width - layout.width) / 2, _HEADER_PX
    height = layout.height + top
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_px(width)}" height="{_px(height)}"',
            f' viewBox="0 0 {_px(width)} {_px(height)}" role="img">\n',
            f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n{_TIPS}",
            '<rect class="ground" width="100%" height="100%"/>\n',
            f'<text class="title" x="{_px(_PAD_PX + 4)}" y="26">{_text(title)}</text>\n',
            _legend(keys),
            f'<g transform="translate({_px(left)} {_px(top)})">\n',
            *(_frame(layout.frames[place], stage) for place, stage in enumerate(picture.stages)),
            *(
                _wire(points, link)
                for points, link in sorted(
                    zip(layout.wires, picture.links, strict=True), key=lambda drawn: drawn[1].critical
                )
            ),
            *(_node(rect, node, label) for rect, node, label in zip(layout.boxes, picture.nodes, labels, strict=True)),
            "</g>\n</svg>\n",
        ]
    )


_TIPS = (
    "<defs>"
    + "".join(
        f'<marker id="tip-{kind}" class="tip {kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
        f' markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0.5 L8,4 L0,7.5 Z"/></marker>'
        for kind in ("base", "reads", "critical")
    )
    + "</defs>\n"
)


def _layout(picture: Picture, labels: Sequence[Label]) -> Layout:
    rows = rows_of(picture.definition, {node.digest: node.stage for node in picture.nodes})
    frames = {stage: number for number, stage in enumerate(picture.stages)}
    number = {node.digest: place for place, node in enumerate(picture.nodes)}
    boxes = [
        Box(row=rows[node.digest], width=width, height=height, frame=frames.get(node.stage, LOOSE))
        for node, (width, height) in zip(picture.nodes, map(_size, labels), strict=True)
    ]
    wires = [Wire(source=number[link.source], target=number[link.target], base=link.base) for link in picture.links]
    return lay_out(boxes, wires)


def _size(label: Label) -> tuple[float, float]:
    texts = max((cell_width(line) for line in label.lines), default=0) * TEXT_CELL_PX
    width = max(_NARROWEST_PX, texts + 2 * _PAD_PX, cell_width(label.note) * NOTE_CELL_PX + 2 * _PAD_PX)
    return width, LINE_PX * (len(label.lines) + bool(label.note)) + _PAD_PX


def _keys_width(keys: Sequence[Key]) -> float:
    return 2 * _PAD_PX + sum(_KEY_GAP_PX * 2 + cell_width(key.word) * NOTE_CELL_PX for key in keys)


def _legend(keys: Sequence[Key]) -> str:
    parts = []
    x, y = _PAD_PX + 4, 46.0
    for key in keys:
        if key.line:
            parts.append(f'<path class="wire {key.kind}" d="M{_px(x)},{_px(y - 4)} h20"/>')
        else:
            parts.append(
                f'<rect class="box {key.kind}" x="{_px(x + 2)}" y="{_px(y - 11)}" width="14" height="13" rx="3"/>'
            )
        x += _KEY_GAP_PX + 4
        parts.append(f'<text class="note" x="{_px(x)}" y="{_px(y)}">{_text(key.word)}</text>\n')
        x += cell_width(key.word) * NOTE_CELL_PX + _KEY_GAP_PX - 4
    return "".join(parts)


def _frame(rect: Rect, stage: str) -> str:
    cells = int((rect.width - 2 * _PAD_PX) / NOTE_CELL_PX)
    shown = clip(single_line(stage), cells)
    return (
        f"<g><title>{_text(f'stage {stage}')}</title>"
        f'<rect class="frame" {_place(rect)} rx="10"/>'
        f'<text class="stage" x="{_px(rect.x + _PAD_PX)}" y="{_px(rect.y + 16)}">{_text(shown)}</text></g>\n'
    )


def _wire(points: Sequence[tuple[float, float]], link: Link) -> str:
    own = "base" if link.base else "reads"
    tip = "critical" if link.critical else own
    kinds = f"{own} critical" if link.critical else own
    return f'<path class="wire {kinds}" d="{_rounded(points)}" marker-end="url(#tip-{tip})"/>\n'


def _rounded(points: Sequence[tuple[float, float]]) -> str:
    """A line with round corners, as small as short pieces demand."""
    corners = [point for place, point in enumerate(points) if place == 0 or _far(point, points[place - 1])]
    parts = [f"M{_point(corners[0])}"]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(_CORNER_PX, _length(before, corner) / 2, _length(corner, after) / 2)
        parts.append(
            f" L{_point(_towards(corner, before, radius))} Q{_point(corner)} {_point(_towards(corner, after, radius))}"
        )
    parts.append(f" L{_point(corners[-1])}")
    return "".join(parts)


def _far(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return _length(one, other) > 0.05


def _length(one: tuple[float, float], other: tuple[float, float]) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: tuple[float, float], end: tuple[float, float], distance: float) -> tuple[float, float]:
    part = distance / _length(start, end)
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part


def _node(rect: Rect, node: Node, label: Label) -> str:
    kinds = " ".join(
        kind
        for kind in ("box", node.op, node.outcome, "on-path" if node.critical else "", "wanted" if node.wanted else "")
        if kind
    )
    x, y = rect.x + _PAD_PX, rect.y + LINE_PX + 2
    parts = [f"<g><title>{_text(tooltip_of(node))}</title>", f'<rect class="{kinds}" {_place(rect)} rx="6"/>']
    for place, line in enumerate(label.lines):
        bold, rest = (label.keyword, line[len(label.keyword) :]) if place == 0 else ("", line)
        word = f'<tspan class="keyword">{_text(bold)}</tspan>' if bold else ""
        parts.append(f'<text class="text" x="{_px(x)}" y="{_px(y + place * LINE_PX)}">{word}{_text(rest)}</text>')
    if label.note:
        below = y + len(label.lines) * LINE_PX
        parts.append(f'<text class="note" x="{_px(x)}" y="{_px(below)}">{_text(label.note)}</text>')
    return "".join([*parts, "</g>\n"])


def _place(rect: Rect) -> str:
    return f'x="{_px(rect.x)}" y="{_px(rect.y)}" width="{_px(rect.width)}" height="{_px(rect.height)}"'


def _point(point: tuple[float, float]) -> str:
    return f"{_px(point[0])},{_px(point[1])}"


def _px(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    """Character data: markup escaped, and what XML has no way to say replaced."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _NO_CHAR.sub("\ufffd", escaped)
