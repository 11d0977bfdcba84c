"""The copy action: where its sources go, and what is made on the way there. Rules of COPY and ADD.

The copying itself is snapshot/transfer.py's, which files are copied snapshot/selection.py's to say.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError
from ..patterns import clean_path
from .filemode import mode_change
from .fileop_parents import make_parents, set_stamps
from .snapshot import CopySettings, copy_picked, pick, resolve

if TYPE_CHECKING:
    from ..llb import FileCopy
    from .snapshot import LayerWriter, Picked, Tree

__all__ = ["run_copy"]


def run_copy(action: FileCopy, tree: Tree, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """Copy what the action picks from `tree` into the layer. `owner`: of all copies and of new folders above them.

    Raises LlbuildError, SourceError.
    """
    settings = CopySettings(copy=action, owner=owner, mode=mode_change(action))
    target = clean_path(action.dest)
    if not action.create_dest_path and "/" in target:
        above = resolve(writer, target).rpartition("/")[0]
        if writer.stat(above) is None:
            raise LlbuildError(f"no folder /{above} to copy to")
    for source in pick(tree, action):
        if not (action.attempt_unpack and _unpack(tree, source, writer, resolve(writer, target), owner)):
            _copy(tree, source, writer, target, settings)


def _copy(tree: Tree, source: Picked, writer: LayerWriter, target: str, settings: CopySettings) -> None:
    action = settings.copy
    mode = action.mode & 0o777 if action.mode >= 0 and not action.mode_text else 0o755
    owner = settings.owner or (0, 0)
    is_folder = action.dest.endswith(("/", "/.")) or action.dest in ("", ".")
    made = make_parents(writer, resolve(writer, target if is_folder else target.rpartition("/")[0]), owner, mode=mode)
    dest = resolve(writer, target)
    there = writer.stat(dest)
    from_folder = stat.S_ISDIR(source.stat.st_mode)
    into = there is not None and (not action.dir_copy_contents if from_folder else stat.S_ISDIR(there.st_mode))
    if into and source.name:
        dest = f"{dest}/{source.name}" if dest else source.name
    merged = from_folder and action.dir_copy_contents and there is None
    made += make_parents(writer, dest if merged else dest.rpartition("/")[0], owner, mode=mode)
    copy_picked(tree, source, writer, dest, settings)
    set_stamps(writer, made, action.timestamp)


def _unpack(tree: Tree, source: Picked, writer: LayerWriter, dest: str, owner: tuple[int, int] | None) -> bool:
    """Unpack the source into the folder `dest` if it is an archive; says whether it was."""
    if not stat.S_ISREG(source.stat.st_mode):
        return False
    from .layer import is_archive, unpack_archive

    parent, _, name = source.path.rpartition("/")
    with tree.directory(parent) as folder, os.fdopen(folder.open(name), "rb") as file:
        if not is_archive(file):
            return False
        file.seek(0)
        make_parents(writer, dest, owner or (0, 0))
        unpack_archive(file, writer, dest, owner=owner)
    return True
