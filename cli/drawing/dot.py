"""For Graphviz: the DOT language (graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text import clip, single_line
from .words import label_of, tooltip_of

if TYPE_CHECKING:
    from .picture import Link, Node, Picture

__all__ = ["render_dot"]

_TEXT_WIDTH = 48
_HEAD = """\
digraph build {
  rankdir=TB;
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="monospace", fontsize=10];
  edge [arrowsize=0.7];
"""
_FILLS = {
    "cached": "#d8f0dd",
    "executed": "#d7e6fb",
    "failed": "#fbd9d7",
    "canceled": "#fbeecb",
    "unneeded": "#eeeeee",
}


def render_dot(picture: Picture) -> str:
    """A digraph; stages are clusters, secondary inputs dashed."""
    number = {node.digest: f"n{place}" for place, node in enumerate(picture.nodes)}
    lines = [_HEAD]
    for place, stage in enumerate(picture.stages):
        lines.append(f"  subgraph cluster_{place} {{\n    label={_quoted(single_line(stage))};\n    style=rounded;\n")
        lines += [f"    {_node(node, number[node.digest])}" for node in picture.nodes if node.stage == stage]
        lines.append("  }\n")
    lines += [f"  {_node(node, number[node.digest])}" for node in picture.nodes if not node.stage]
    lines += [f"  {number[link.source]} -> {number[link.target]}{_style(link)};\n" for link in picture.links]
    return "".join([*lines, "}\n"])


def _node(node: Node, number: str) -> str:
    label = clip(label_of(node), _TEXT_WIDTH)
    below = " · ".join(part for part in (node.step, node.state) if part)
    attributes = {"label": f"{label}\n{below}" if below else label, "tooltip": tooltip_of(node)}
    if node.ran is not None:
        attributes["fillcolor"] = _FILLS[node.outcome]
    if node.critical:
        attributes["penwidth"] = "2.5"
    if node.wanted:
        attributes["peripheries"] = "2"
    return f"{number} [{', '.join(f'{name}={_quoted(value)}' for name, value in attributes.items())}];\n"


def _style(link: Link) -> str:
    attributes = [*([] if link.base else ["style=dashed"]), *(["penwidth=3"] if link.critical else [])]
    return f" [{', '.join(attributes)}]" if attributes else ""


def _quoted(text: str) -> str:
    """A DOT string: a backslash begins an escape in labels, and `\\n` is one."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
