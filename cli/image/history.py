"""`llbuild history`: how an image came to be, newest first, as `docker history` shows it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...image import History
from ...values import frozen
from ..listing import add_format, created_ago, render_json, wants_json
from ..parser import CommandParser
from ..sizes import layer_size
from ..tables import render_table
from ..text import clip, single_line
from ..units import human_size
from .catalogue import find_image, open_content

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...digest import Digest
    from ...image import Descriptor
    from ...worker import ContentStore
    from .catalogue import LocalImage

__all__ = ["HistoryLine", "history_lines", "render_history", "run"]

_CREATED_BY_WIDTH = 45


@frozen
class HistoryLine:
    """One step. `layer` is the diff id of what it added, None for a step that changed the config only."""

    step: History
    layer: Digest | None = None
    size_bytes: int = 0


def run(argv: Sequence[str]) -> int:
    """Show it."""
    parser = CommandParser(
        "history", "Show how an image came to be, newest step first.", usage="llbuild history [flags] IMAGE"
    )
    parser.add_word("image", metavar="IMAGE", help="name, or first digits of the digest")
    parser.add_flag("--no-trunc", help="whole commands")
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    store = open_content(options.root)
    lines = history_lines(store, find_image(store, found.image))
    sys.stdout.write(render_history(lines, as_json=as_json, whole=found.no_trunc))
    return 0


def history_lines(
    store: ContentStore, image: LocalImage, size_of: Callable[[ContentStore, Descriptor], int] = layer_size
) -> list[HistoryLine]:
    """Oldest first. Layers that the history forgot (an image need not have one) get lines of their own.

    size_of: what a layer counts as.
    """
    layers = list(zip(image.config.diff_ids, image.manifest.layers, strict=False))
    lines = []
    for step in image.config.history:
        if step.empty_layer or not layers:
            lines.append(HistoryLine(step=step))
        else:
            diff_id, descriptor = layers.pop(0)
            lines.append(HistoryLine(step=step, layer=diff_id, size_bytes=size_of(store, descriptor)))
    for diff_id, descriptor in layers:
        lines.append(HistoryLine(step=History(), layer=diff_id, size_bytes=size_of(store, descriptor)))
    return lines


def render_history(
    lines: Sequence[HistoryLine], *, as_json: bool = False, whole: bool = False, now: float | None = None
) -> str:
    """Newest first, as a table or as a JSON array."""
    newest_first = list(reversed(lines))
    if as_json:
        return render_json([_fields(line) for line in newest_first])
    rows = []
    for line in newest_first:
        command = single_line(line.step.created_by)
        rows.append(
            (
                created_ago(line.step.created, now),
                command if whole else clip(command, _CREATED_BY_WIDTH),
                human_size(line.size_bytes),
                line.step.comment,
            )
        )
    return render_table(("CREATED", "CREATED BY", "SIZE", "COMMENT"), rows)


def _fields(line: HistoryLine) -> dict[str, object]:
    step = line.step
    return {
        "created": step.created,
        "created_by": step.created_by,
        "size_bytes": line.size_bytes,
        "comment": step.comment,
        "empty_layer": line.layer is None,
        "diff_id": line.layer,
    }
