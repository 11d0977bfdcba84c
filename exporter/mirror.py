"""A folder made to hold a result and nothing else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from .outfile import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..worker.snapshot import Tree

__all__ = ["remove_others"]


def remove_others(path: str, trees: Mapping[str, Tree]) -> None:
    """Remove what is in a folder and not in the trees, which have been written into it: each into a folder of its
    name, or, where that is "", into the folder itself. No link is followed. Raises ExportError.
    """
    with refusals(path):
        if "" not in trees:
            _keep(path, set(trees))
        for name, tree in trees.items():
            _mirror(os.path.join(path, name) if name else path, tree)


def _mirror(path: str, tree: Tree) -> None:
    """A loop: a tree may be deeper than Python's stack."""
    pending = [""]
    while pending:
        below = pending.pop()
        with tree.directory(below) as folder:
            names = {entry.name for entry in folder.entries()}
        folders = _keep(os.path.join(path, below) if below else path, names)
        pending += [f"{below}/{name}" if below else name for name in folders]


def _keep(path: str, names: set[str]) -> list[str]:
    """Remove all but these; the folders that stay."""
    folders = []
    with os.scandir(path) as scan:
        for entry in scan:
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name in names:
                if is_folder:
                    folders.append(entry.name)
            elif is_folder:
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    return folders
