"""The file actions without a source: mkdir, mkfile, symlink, rm."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, assert_never

from ..errors import LlbuildError, SourceError
from ..llb import FileCopy, FileMkdir, FileMkfile, FileRm, FileSymlink
from ..patterns import clean_path, has_wildcards
from .fileop_parents import make_parents
from .snapshot import pick, resolve, set_owner

if TYPE_CHECKING:
    from typing import TypeAlias

    from .snapshot import LayerWriter

    Edit: TypeAlias = FileMkdir | FileMkfile | FileSymlink | FileRm

__all__ = ["run_edit"]


def run_edit(action: Edit, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """Carry out the action in the layer. Raises LlbuildError."""
    match action:
        case FileMkdir():
            _mkdir(action, writer, owner or (0, 0))
        case FileMkfile():
            _mkfile(action, writer, owner)
        case FileSymlink():
            _symlink(action, writer, owner or (0, 0))
        case FileRm():
            _rm(action, writer)
        case other:
            assert_never(other)


def _mkdir(action: FileMkdir, writer: LayerWriter, owner: tuple[int, int]) -> None:
    path = resolve(writer, clean_path(action.path))
    if not action.make_parents:
        found = writer.stat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            return  # as in BuildKit, where it is no error
        _demand_parent(writer, path)
    mode = action.mode & 0o777  # as in BuildKit, which leaves set-id and sticky bits to chmod
    make_parents(writer, path, owner, mode=mode, timestamp=action.timestamp)


def _mkfile(action: FileMkfile, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """A file that is there keeps its mode, and its owner unless the action names one."""
    path = resolve(writer, clean_path(action.path))
    _demand_parent(writer, path)
    found = writer.stat(path)
    mode = action.mode & 0o777
    if found is not None and stat.S_ISREG(found.st_mode):
        mode = stat.S_IMODE(found.st_mode)
        owner = owner or (found.st_uid, found.st_gid)
    with os.fdopen(writer.create(path, mode=mode), "wb") as file:
        file.write(action.data)
        file.flush()
        set_owner(file.fileno(), owner or (0, 0))
        os.fchmod(file.fileno(), mode)
        if action.timestamp >= 0:
            os.utime(file.fileno(), ns=(action.timestamp, action.timestamp))


def _symlink(action: FileSymlink, writer: LayerWriter, owner: tuple[int, int]) -> None:
    path = resolve(writer, clean_path(action.new_path))
    _demand_parent(writer, path)
    if writer.stat(path) is not None:
        raise LlbuildError(f"cannot make the link /{path}: it exists")
    place = writer.clear(path)
    os.symlink(action.old_path, place)
    writer.set_owner(place, owner)
    if action.timestamp >= 0:
        os.utime(place, ns=(action.timestamp, action.timestamp), follow_symlinks=False)


def _rm(action: FileRm, writer: LayerWriter) -> None:
    path = clean_path(action.path)
    if action.allow_wildcard and has_wildcards(path):
        copy = FileCopy(src=path, dest="/", allow_wildcard=True, allow_empty_wildcard=True)
        try:
            picked = pick(writer, copy)
        except SourceError:
            if not action.allow_not_found:
                raise
            return
        for found in picked:
            writer.remove(found.path)
        return
    if not path:
        raise LlbuildError("cannot remove the root folder")
    parent, _, name = path.rpartition("/")
    folder = resolve(writer, parent)
    place = f"{folder}/{name}" if folder else name
    if writer.stat(place) is not None:
        writer.remove(place)
    elif not action.allow_not_found:
        raise LlbuildError(f"cannot remove it: {path!r} not found")


def _demand_parent(writer: LayerWriter, path: str) -> None:
    parent = path.rpartition("/")[0]
    found = writer.stat(parent)
    if found is None:
        raise LlbuildError(f"the folder /{parent} does not exist")
    if not stat.S_ISDIR(found.st_mode):
        raise LlbuildError(f"/{parent} is not a folder")
