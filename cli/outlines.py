"""What a build file says of itself: a target's parameters, and the targets. Pure: values in, text out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .locations import encoded, location, without_empty
from .tables import render_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..frontend import Needed, Outline, Target

__all__ = ["outline_json", "outline_plain", "targets_json", "targets_plain"]


def outline_plain(outline: Outline) -> str:
    """The target, then a table for each kind of parameter that it has."""
    parts = []
    if outline.name or outline.description:
        head = f"TARGET:      {outline.name or '(default)'}\n"
        parts.append(head + (f"DESCRIPTION: {outline.description}\n" if outline.description else ""))
    if outline.args:
        rows = [(arg.name, arg.value, arg.description) for arg in outline.args]
        parts.append(render_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows))
    for title, items in (("SECRET", outline.secrets), ("SSH", outline.ssh)):
        if items:
            rows = [(item.name, "true" if item.required else "", "") for item in items]
            parts.append(render_table((title, "REQUIRED"), [row[:2] for row in rows]))
    if outline.cache:
        parts.append(render_table(("CACHE MOUNT",), [(cache.id,) for cache in outline.cache]))
    return "\n".join(parts) or "the target has no parameters\n"


def outline_json(outline: Outline, data: bytes) -> str:
    """BuildKit's outline.Outline; data: the build file."""
    args = [
        _described(name=arg.name, description=arg.description, value=arg.value, location=location(arg.at))
        for arg in outline.args
    ]
    document = {
        "name": outline.name,
        "description": outline.description,
        "args": args,
        "secrets": _needed(outline.secrets),
        "ssh": _needed(outline.ssh),
        "cache": [_described(ID=cache.id, location=location(cache.at)) for cache in outline.cache],
        "sources": [encoded(data)],
    }
    return _printed(without_empty(document))


def _needed(items: Sequence[Needed]) -> list[dict[str, Any]]:
    return [_described(name=item.name, required=item.required, location=location(item.at)) for item in items]


def targets_plain(targets: Sequence[Target]) -> str:
    rows = [(_name(target), target.description) for target in targets]
    return render_table(("TARGET", "DESCRIPTION"), rows)


def _name(target: Target) -> str:
    if target.default:
        return f"{target.name} (default)".lstrip()
    return target.name


def targets_json(targets: Sequence[Target], data: bytes) -> str:
    """BuildKit's targets.List; data: the build file."""
    described = [
        _described(
            name=target.name,
            default=target.default,
            description=target.description,
            base=target.base,
            platform=target.platform,
            location=location(target.at),
        )
        for target in targets
    ]
    return _printed({"targets": described, "sources": [encoded(data)]})


def _described(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    return without_empty(fields)


def _printed(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
