"""For programs: everything the picture knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..listing import render_json
from ..progress.rawjson import rfc3339
from .picture import OUTCOME_WORDS

if TYPE_CHECKING:
    from ...solver import BuildSummary
    from .picture import Node, Picture

__all__ = ["render_picture_json"]


def render_picture_json(picture: Picture) -> str:
    """An object with `vertices` (inputs first), `edges` and `stages`; with a build, also how that went."""
    fields: dict[str, object] = {
        "vertices": [_node(node) for node in picture.nodes],
        "edges": [
            {
                "source": link.source,
                "target": link.target,
                "output": link.output,
                "base": link.base,
                **({"critical": True} if link.critical else {}),
            }
            for link in picture.links
        ],
        "stages": list(picture.stages),
    }
    if picture.build is not None:
        fields["build"] = _build(picture.build)
        fields["critical_path"] = [node.digest for node in picture.nodes if node.critical]
    return render_json(fields)


def _node(node: Node) -> dict[str, object]:
    fields: dict[str, object] = {
        "digest": node.digest,
        "op": node.op,
        "name": node.name,
        "text": node.text,
        "stage": node.stage,
        "step": node.step,
        "command": list(node.command),
        "source": [{"file": place.path, "line": place.line} for place in node.places],
    }
    if node.wanted:
        fields["target"] = True
    if node.ran is not None:
        fields["outcome"] = OUTCOME_WORDS[node.ran.outcome]
        if node.ran.started is not None:
            fields["started"] = rfc3339(node.ran.started)
            fields["duration_s"] = round(node.ran.duration_s, 6)
        if node.ran.error:
            fields["error"] = node.ran.error
    return fields


def _build(build: BuildSummary) -> dict[str, object]:
    return {"id": build.id, "status": build.status.value, "duration_s": round(build.duration_s, 6)}
