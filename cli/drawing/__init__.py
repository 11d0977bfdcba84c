"""Graphs of builds, drawn: one picture, several formats. Pure: a picture in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dot import render_dot
from .json import render_picture_json
from .mermaid import render_mermaid
from .picture import OUTCOME_WORDS, Node, Picture, make_picture
from .svg import inline_svg, render_svg
from .words import label_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["OUTCOME_WORDS", "RENDERERS", "Node", "Picture", "inline_svg", "label_of", "make_picture"]

RENDERERS: Mapping[str, Callable[[Picture], str]] = {
    "svg": render_svg,
    "dot": render_dot,
    "mermaid": render_mermaid,
    "json": render_picture_json,
}
