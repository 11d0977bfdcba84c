"""What a comparison came to, for people and as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..listing import render_json
from ..text import clip, harmless, single_line

if TYPE_CHECKING:
    from .difference import Comparison, Difference

__all__ = ["render_comparison"]

_MOST = 20
_STEP_WIDTH = 100


def render_comparison(found: Comparison, epoch: str, *, as_json: bool = False) -> str:
    """The first difference whole, the others in a line each. epoch: the SOURCE_DATE_EPOCH of both builds."""
    if as_json:
        return render_json(_fields(found, epoch))
    if found.equal:
        return (
            f"reproducible: {found.first}\n"
            f"built twice from nothing with SOURCE_DATE_EPOCH={epoch}; equal are {_counts(found)}\n"
        )
    lines = [f"not reproducible: {found.first} and {found.second}"]
    for number, difference in enumerate(found.differences[:_MOST]):
        lines += _first(difference) if number == 0 else [f"also: {_place(difference)}: {_values(difference)}"]
    if len(found.differences) > _MOST:
        lines.append(f"and {len(found.differences) - _MOST} differences more")
    if not found.differences:
        lines.append("the documents say the same in other bytes")
    return "".join(f"{line}\n" for line in lines)


def _counts(found: Comparison) -> str:
    platforms = ", ".join(found.platforms)
    layers = f"{found.layers} layer{'' if found.layers == 1 else 's'}"
    return f"config and manifest of {platforms}, {layers}, {found.files} file{'' if found.files == 1 else 's'}"


def _first(difference: Difference) -> list[str]:
    lines = [f"first difference: {_place(difference)}", f"  {_values(difference)}"]
    if difference.step:
        lines.insert(1, f"  made by {clip(single_line(difference.step), _STEP_WIDTH)}")
    return [*lines, *(f"  {harmless(line)}" for line in difference.detail)]


def _place(difference: Difference) -> str:
    """`layer 2 of 3 (linux/amd64), /etc/stamp`."""
    where = difference.where
    if difference.layer:
        where += f" {difference.layer} of {difference.layers}"
    if difference.platform:
        where += f" ({difference.platform})"
    return f"{where}, /{single_line(difference.path)}" if difference.path else where


def _values(difference: Difference) -> str:
    if difference.field == "presence":
        return f"only the {'first' if difference.first else 'second'} build has it"
    first, second = (single_line(text) or "nothing" for text in (difference.first, difference.second))
    return f"{difference.field}: {first} and {second}"


def _fields(found: Comparison, epoch: str) -> dict[str, object]:
    return {
        "reproducible": found.equal,
        "digests": [found.first, found.second],
        "sourceDateEpoch": int(epoch) if epoch.lstrip("-").isdecimal() else epoch,
        "platforms": list(found.platforms),
        "layers": found.layers,
        "files": found.files,
        "differences": [_difference(difference) for difference in found.differences],
    }


def _difference(difference: Difference) -> dict[str, object]:
    fields: dict[str, object] = {"where": difference.where, "platform": difference.platform}
    if difference.layer:
        fields |= {"layer": difference.layer, "step": difference.step, "path": difference.path}
    fields |= {"field": difference.field, "values": [difference.first, difference.second]}
    return {**fields, "detail": list(difference.detail)} if difference.detail else fields
