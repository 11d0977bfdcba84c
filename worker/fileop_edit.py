"""The small file actions: mkdir, mkfile, symlink, rm.

Semantics of BuildKit's (solver/llbsolver/file there): links above what is named are followed inside
the root, and parents must be there unless they were asked for.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError, SourceError
from ..llb import FileCopy, FileMkdir, FileMkfile, FileRm, FileSymlink
from ..patterns import clean_path
from .snapshot import pick, resolve, set_owner

if TYPE_CHECKING:
    from ..llb import FileAction
    from .snapshot import LayerWriter

__all__ = ["edit", "make_folders", "require_parent"]

_PERMISSIONS = 0o777  # what BuildKit lets mkdir and mkfile set


def edit(action: FileAction, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """Carry out any action but a copy. Raises LlbuildError, OSError."""
    match action:
        case FileMkdir():
            _mkdir(action, writer, owner or (0, 0))
        case FileMkfile():
            _mkfile(action, writer, owner)
        case FileSymlink():
            _symlink(action, writer, owner or (0, 0))
        case FileRm():
            _rm(action, writer)
        case FileCopy():
            raise AssertionError("copies are not edits")


def make_folders(
    writer: LayerWriter, path: str, *, owner: tuple[int, int], mode: int = 0o755, timestamp: int = -1
) -> set[str]:
    """The folder and whatever is missing above it, alike; returns those. What is there keeps its metadata.

    Raises LlbuildError when something that is no folder is in the way.
    """
    found = writer.stat(path)
    if not path or (found is not None and stat.S_ISDIR(found.st_mode)):
        return set()  # copied up only when something is put into it
    made: set[str] = set()
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        folder = "/".join(parts[:count])
        if writer.make_folder(folder, mode=mode, owner=owner):
            made.add(folder)
            if timestamp >= 0:
                writer.set_times(folder, (timestamp, timestamp))
    return made


def require_parent(writer: LayerWriter, path: str) -> None:
    """Raises LlbuildError when the folder a path lies in is not there."""
    parent = path.rpartition("/")[0]
    found = writer.stat(parent)
    if parent and (found is None or not stat.S_ISDIR(found.st_mode)):
        raise LlbuildError(f"/{parent} is not a folder" if found else f"the folder /{parent} does not exist")


def _mkdir(action: FileMkdir, writer: LayerWriter, owner: tuple[int, int]) -> None:
    path = resolve(writer, action.path)
    if not action.make_parents:
        require_parent(writer, path)
        found = writer.stat(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            return  # as in BuildKit; nothing changes, so nothing is copied up
    make_folders(writer, path, owner=owner, mode=action.mode & _PERMISSIONS, timestamp=action.timestamp)


def _mkfile(action: FileMkfile, writer: LayerWriter, owner: tuple[int, int] | None) -> None:
    """A file that was there keeps mode and owner: BuildKit overwrites its content."""
    path = resolve(writer, action.path)
    require_parent(writer, path)
    found = writer.stat(path)
    mode = action.mode & _PERMISSIONS
    if found is not None and stat.S_ISREG(found.st_mode):
        mode = stat.S_IMODE(found.st_mode)
        owner = owner or (found.st_uid, found.st_gid)
    place = writer.clear(path)
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(action.data)
        set_owner(handle, owner or (0, 0))
        os.fchmod(handle, mode)
    _stamp(place, action.timestamp)


def _symlink(action: FileSymlink, writer: LayerWriter, owner: tuple[int, int]) -> None:
    path = resolve(writer, action.new_path)
    require_parent(writer, path)
    if writer.stat(path) is not None:
        raise LlbuildError(f"cannot make the link /{path}: it exists")
    place = writer.clear(path)
    os.symlink(action.old_path, place)
    set_owner(place, owner)
    _stamp(place, action.timestamp)


def _rm(action: FileRm, writer: LayerWriter) -> None:
    if not clean_path(action.path):
        raise LlbuildError("cannot remove the root folder")
    wanted = FileCopy(src=action.path, dest="/", allow_wildcard=action.allow_wildcard, allow_empty_wildcard=True)
    try:
        picked = pick(writer, wanted)
    except SourceError:
        if action.allow_not_found:
            return
        raise
    for found in picked:
        writer.remove(found.path)


def _stamp(place: str, timestamp: int) -> None:
    if timestamp >= 0:
        os.utime(place, ns=(timestamp, timestamp), follow_symlinks=False)
