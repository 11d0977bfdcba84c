"""New folders on the way to where a file action puts something."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .snapshot import LayerWriter

__all__ = ["make_parents", "set_stamps"]


def make_parents(writer: LayerWriter, path: str, owner: tuple[int, int], *, mode: int = 0o755) -> list[str]:
    """The folder and whatever is missing above it, all alike; returns the new ones, topmost first.

    Raises LlbuildError when something that is no folder is in the way.
    """
    found = writer.stat(path)
    if found is not None and stat.S_ISDIR(found.st_mode):
        return []  # copied up only when something is put into it
    made: list[str] = []
    at = 0
    while path and at >= 0:
        at = path.find("/", at + 1)
        folder = path[:at] if at >= 0 else path
        if writer.make_folder(folder, mode=mode, owner=owner):
            made.append(folder)
    return made


def set_stamps(writer: LayerWriter, folders: Sequence[str], timestamp: int) -> None:
    """Give new folders their time, once nothing is put into them any more. timestamp: ns; below 0 leaves it."""
    if timestamp >= 0:
        for folder in reversed(folders):
            os.utime(writer.place(folder), ns=(timestamp, timestamp), follow_symlinks=False)
