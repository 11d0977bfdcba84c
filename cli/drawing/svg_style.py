"""Colours and fonts of SVG drawings, and how wide their letters are."""

from __future__ import annotations

__all__ = ["LINE_PX", "NOTE_CELL_PX", "STYLE", "TEXT_CELL_PX"]

# The usual monospaced fonts are 0.55 to 0.602 of their size wide; the widest decides, so that boxes always fit.
_ADVANCE = 0.605
_TEXT_PX, _NOTE_PX = 12.0, 10.5
TEXT_CELL_PX = _TEXT_PX * _ADVANCE
NOTE_CELL_PX = _NOTE_PX * _ADVANCE
LINE_PX = 16.0

# name -> (light, dark)
_GROUNDS = {
    ".ground": ("#ffffff", "#0d1117"),
    ".frame": ("#f6f8fa", "#151b23"),
    ".box": ("#ffffff", "#212830"),
    ".box.cached": ("#dff5e3", "#12351f"),
    ".box.executed": ("#ddeafc", "#16304f"),
    ".box.failed": ("#fde0de", "#54191b"),
    ".box.canceled": ("#fbefc8", "#443610"),
    ".box.unneeded": ("#eceef1", "#1b2027"),
    ".title,.text": ("#1f2328", "#e6edf3"),
    ".note,.stage": ("#57606a", "#9ba5b0"),
    ".tip.base": ("#57606a", "#9ba5b0"),
    ".tip.reads": ("#8c959f", "#6e7985"),
    ".tip.critical": ("#d1570a", "#f0883e"),
}
_STROKES = {
    ".frame": ("#d1d9e0", "#30363d"),
    ".box": ("#8c959f", "#59636e"),
    ".box.cached": ("#3b8a4e", "#3fb950"),
    ".box.executed": ("#3569b0", "#4493f8"),
    ".box.failed": ("#c4342b", "#f85149"),
    ".box.canceled": ("#a27a10", "#d29922"),
    ".box.unneeded": ("#b6bec7", "#454c54"),
    ".box.on-path": ("#d1570a", "#f0883e"),
    ".wire.base": ("#57606a", "#9ba5b0"),
    ".wire.reads": ("#8c959f", "#6e7985"),
    ".wire.critical": ("#d1570a", "#f0883e"),
}
_FORMS = f"""
text{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace}}
text{{white-space:pre}}
.text{{font-size:{_TEXT_PX:g}px}}.note,.stage{{font-size:{_NOTE_PX:g}px}}.title{{font-size:15px;font-weight:bold}}
.keyword,.stage{{font-weight:bold}}
.box{{stroke-width:1.2}}.box.wanted{{stroke-width:2.6}}.box.on-path{{stroke-width:2.6}}
.wire{{fill:none;stroke-width:1.5}}.wire.reads{{stroke-dasharray:5 4}}.wire.critical{{stroke-width:3}}
"""


def _rules(shade: int) -> str:
    fills = [f"{name}{{fill:{colours[shade]}}}" for name, colours in _GROUNDS.items()]
    return "\n".join([*fills, *(f"{name}{{stroke:{colours[shade]}}}" for name, colours in _STROKES.items())])


STYLE = f"{_FORMS}{_rules(0)}\n@media (prefers-color-scheme:dark){{\n{_rules(1)}\n}}\n"
