"""A COPY whose result is only going to be exported: packed straight from its source, without a folder in between.

Nothing ever reads the folder that the last step of most builds would make: it would be written only to be read again
for the layer's blob. Should something want it later, it is unpacked from that blob, as the layers of images are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..llb import FileCopy
from .fileop_copy import plan_copy
from .fileop_owner import find_owner
from .snapshot import FolderTree, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..llb import FileOp
    from .layer import PlannedLayer
    from .snapshot import LayerStore, Tree

__all__ = ["plan_file_op"]


def plan_file_op(
    op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore
) -> tuple[Snapshot, PlannedLayer] | None:
    """What the op builds on, and the layer that it puts on top of that; None when that takes a folder.

    Raises LlbuildError, as the op would.
    """
    if len(op.steps) != 1 or os.geteuid() != 0:  # owners could not be set
        return None
    step = op.steps[0]
    base = inputs[step.input] if step.input >= 0 else Snapshot()
    if not isinstance(step.action, FileCopy) or step.output != 0 or isinstance(base, FolderTree):
        return None
    from .layer import NotPlanned, PlannedLayer

    def tree(number: int) -> Tree:
        found = base if number < 0 else inputs[number]
        return found if isinstance(found, FolderTree) else store.tree(found.layers)

    layer = PlannedLayer(store.tree(base.layers))
    source = tree(step.secondary_input) if step.secondary_input >= 0 else store.tree(())
    try:
        plan_copy(step.action, source, layer, find_owner(step.action.owner, tree))
    except (NotPlanned, OSError):  # making the folder will say what is wrong
        return None
    return base, layer
