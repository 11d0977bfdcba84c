"""The copy action: where its sources go, and what is made on the way there. Rules of COPY and ADD.

The copying itself is snapshot/transfer.py's, which files are copied snapshot/selection.py's to say.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import CorruptError, LlbuildError, SourceError
from ..patterns import clean_path
from .filemode import mode_change
from .fileop_parents import make_parents
from .snapshot import Copying, CopySettings, pick, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..llb import FileCopy
    from .layer import PlannedLayer
    from .snapshot import CopyPlan, CopyTarget, LayerWriter, Picked, Tree

__all__ = ["plan_copy", "run_copy"]


def run_copy(action: FileCopy, tree: Tree, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """Copy what the action picks from `tree` into the layer. `owner`: of all copies and of new folders above them.

    Raises LlbuildError, SourceError.
    """
    settings = CopySettings(copy=action, owner=owner, mode=mode_change(action))

    def put(source: Picked, target: str) -> None:
        if not (action.attempt_unpack and _unpack(tree, source, writer, resolve(writer, target), settings)):
            _copy(Copying(tree, writer, settings), writer, source, target, settings)

    _put_all(action, tree, writer, put)


def plan_copy(action: FileCopy, tree: Tree, layer: PlannedLayer, owner: tuple[int, int] | None) -> None:
    """The same into a layer that is planned only. Raises NotPlanned too."""
    from .layer import NotPlanned, PlannedCopy

    settings = CopySettings(copy=action, owner=owner, mode=mode_change(action))

    def put(source: Picked, target: str) -> None:
        if action.attempt_unpack and stat.S_ISREG(source.stat.st_mode):
            raise NotPlanned  # it may be an archive
        _copy(PlannedCopy(tree, layer, settings), layer, source, target, settings)

    _put_all(action, tree, layer, put)


def _put_all(action: FileCopy, tree: Tree, layer: CopyTarget, put: Callable[[Picked, str], None]) -> None:
    target = clean_path(action.dest)
    if not action.create_dest_path and "/" in target:
        above = resolve(layer, target).rpartition("/")[0]
        if layer.stat(above) is None:
            raise LlbuildError(f"the folder /{above} does not exist")
    for source in pick(tree, action):
        put(source, target)


def _copy(copying: CopyPlan, layer: CopyTarget, source: Picked, target: str, settings: CopySettings) -> None:
    action = settings.copy
    is_folder = action.dest.endswith(("/", "/.")) or action.dest in ("", ".")
    _make_parents(layer, resolve(layer, target if is_folder else target.rpartition("/")[0]), settings)
    dest = resolve(layer, target)
    there = layer.stat(dest)
    from_folder = stat.S_ISDIR(source.stat.st_mode)
    into = there is not None and (not action.dir_copy_contents if from_folder else stat.S_ISDIR(there.st_mode))
    if into and source.name:
        dest = f"{dest}/{source.name}" if dest else source.name
    merged = from_folder and action.dir_copy_contents and there is None
    _make_parents(layer, dest if merged else dest.rpartition("/")[0], settings)
    copying.add_picked(source, dest)


def _make_parents(layer: CopyTarget, path: str, settings: CopySettings) -> None:
    """As BuildKit does it: an octal mode is for these too, one in words is not."""
    copy = settings.copy
    mode = copy.mode & 0o777 if copy.mode >= 0 and not copy.mode_text else 0o755
    make_parents(layer, path, settings.owner or (0, 0), mode=mode, timestamp=copy.timestamp)


def _unpack(tree: Tree, source: Picked, writer: LayerWriter, dest: str, settings: CopySettings) -> bool:
    """Unpack the source into the folder `dest` if it is an archive; says whether it was."""
    if not stat.S_ISREG(source.stat.st_mode):
        return False
    from .layer import is_archive, unpack_archive

    parent, _, name = source.path.rpartition("/")
    with tree.directory(parent) as folder, os.fdopen(folder.open(name), "rb") as file:
        if not is_archive(file):
            return False
        file.seek(0)
        make_parents(writer, dest, settings.owner or (0, 0), timestamp=settings.copy.timestamp)
        try:
            unpack_archive(file, writer, dest, owner=settings.owner)
        except CorruptError as error:
            raise SourceError(f"cannot unpack {source.path!r}: {error.message}", ref=source.path) from None
    return True
