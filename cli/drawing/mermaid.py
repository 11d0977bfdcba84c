"""For Mermaid, as Markdown pages show it (mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import clip, single_line
from .words import label_of

if TYPE_CHECKING:
    from .picture import Node, Picture

__all__ = ["render_mermaid"]

_TEXT_WIDTH = 48
_CLASSES = {
    "cached": "fill:#d8f0dd,stroke:#3b8a4e,color:#10301a",
    "executed": "fill:#d7e6fb,stroke:#3569b0,color:#0d2240",
    "failed": "fill:#fbd9d7,stroke:#b3382f,color:#40100d",
    "canceled": "fill:#fbeecb,stroke:#9a7412,color:#3a2c06",
    "unneeded": "fill:#eeeeee,stroke:#999999,color:#444444",
}


def render_mermaid(picture: Picture) -> str:
    """A flowchart; stages are subgraphs, secondary inputs dotted. Mermaid itself refuses more than 500 edges."""
    number = {node.digest: f"n{place}" for place, node in enumerate(picture.nodes)}
    lines = ["flowchart TB"]
    for place, stage in enumerate(picture.stages):
        lines.append(f'  subgraph s{place}["{_escaped(stage)}"]')
        lines += [f"    {_node(node, number[node.digest])}" for node in picture.nodes if node.stage == stage]
        lines.append("  end")
    lines += [f"  {_node(node, number[node.digest])}" for node in picture.nodes if not node.stage]
    lines += [
        f"  {number[link.source]} {'-->' if link.base else '-.->'} {number[link.target]}" for link in picture.links
    ]
    thick = [str(place) for place, link in enumerate(picture.links) if link.critical]
    if thick:
        lines.append(f"  linkStyle {','.join(thick)} stroke-width:4px")
    used = {node.outcome for node in picture.nodes} - {""}
    lines += [f"  classDef {name} {style}" for name, style in _CLASSES.items() if name in used]
    return "\n".join(lines) + "\n"


def _node(node: Node, number: str) -> str:
    label = _escaped(clip(label_of(node), _TEXT_WIDTH))
    below = _escaped(" · ".join(part for part in (node.step, node.state) if part))
    text = f"{label}<br/>{below}" if below else label
    return f'{number}["{text}"]{f":::{node.outcome}" if node.outcome else ""}'


def _escaped(text: str) -> str:
    """Character by character: in a label, quotes end it, and Markdown, HTML and entities are understood."""
    return "".join(char if char.isalnum() or char in " .,:/-=·…_" else f"#{ord(char)};" for char in single_line(text))
