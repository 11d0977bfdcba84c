"""New folders on the way to where a file action puts something."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .snapshot import CopyTarget

__all__ = ["make_parents"]


def make_parents(
    layer: CopyTarget, path: str, owner: tuple[int, int], *, mode: int = 0o755, timestamp: int = -1
) -> None:
    """Make the folder and whatever is missing above it, all alike. timestamp: in ns; below 0 it is now's.

    Raises LlbuildError when something that is no folder is in the way.
    """
    found = layer.stat(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        return  # copied up only when something is put into it
    at = 0
    while path and at >= 0:
        at = path.find("/", at + 1)
        folder = path[:at] if at >= 0 else path
        if layer.make_folder(folder, mode=mode, owner=owner) and timestamp >= 0:
            layer.set_times(folder, (timestamp, timestamp))
