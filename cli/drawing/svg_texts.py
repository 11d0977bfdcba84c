"""The words in an SVG drawing: labels cut to size, heading, legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...values import frozen
from ..text import cell_width, clip
from ..units import human_duration
from .picture import OUTCOME_WORDS
from .words import label_of

if TYPE_CHECKING:
    from .picture import Node, Picture

__all__ = ["Key", "Label", "legend_of", "make_label", "title_of"]

_LINE_CELLS = 30
_LINES = 2


@frozen
class Label:
    """What stands in a box: up to two lines, the first beginning with `keyword` in bold, and a small one."""

    lines: tuple[str, ...]
    keyword: str = ""
    note: str = ""


class Key(NamedTuple):
    """An entry of the legend: what a class of box or line means."""

    kind: str
    word: str
    line: bool = False


def make_label(node: Node) -> Label:
    text = label_of(node)
    lines: list[str] = []
    while text and len(lines) < _LINES - 1:
        line, text = _break(text)
        lines.append(line)
    if text:
        lines.append(clip(text, _LINE_CELLS))
    word = lines[0].partition(" ")[0]
    place = f"line {node.places[0].line}" if node.places else ""
    return Label(
        lines=tuple(lines),
        keyword=word if word.isascii() and word.isalpha() and word.isupper() else "",
        note=" · ".join(part for part in (node.step, place, node.state) if part),
    )


def _break(text: str) -> tuple[str, str]:
    """A line's worth of text, up to a blank if there is one in its second half, and the rest."""
    if cell_width(text) <= _LINE_CELLS:
        return text, ""
    whole = clip(text, _LINE_CELLS + 1).removesuffix("…")
    blank = whole.rfind(" ")
    if text[len(whole) : len(whole) + 1] != " " and blank >= len(whole) // 2:
        whole = whole[:blank]
    return whole, text[len(whole) :].lstrip()


def title_of(picture: Picture) -> str:
    """What is shown, in one line."""
    count = len(picture.nodes)
    steps = "1 step" if count == 1 else f"{count} steps"
    build = picture.build
    if build is None:
        return steps if count else "No steps: an empty filesystem"
    counted = [
        f"{number} {word}"
        for outcome, word in OUTCOME_WORDS.items()
        if (number := sum(node.ran is not None and node.ran.outcome is outcome for node in picture.nodes))
    ]
    return f"Build {build.id}: {build.status.value}, {human_duration(build.duration_s)}, {steps} ({', '.join(counted)})"


def legend_of(picture: Picture) -> list[Key]:
    """What occurs in this picture."""
    outcomes = {node.ran.outcome for node in picture.nodes if node.ran is not None}
    keys = [Key(outcome.name.lower(), word) for outcome, word in OUTCOME_WORDS.items() if outcome in outcomes]
    if any(link.base for link in picture.links):
        keys.append(Key("base", "is built on", line=True))
    if any(not link.base for link in picture.links):
        keys.append(Key("reads", "reads from", line=True))
    if any(link.critical for link in picture.links):
        keys.append(Key("critical", "critical path", line=True))
    return keys
