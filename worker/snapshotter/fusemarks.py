"""What fuse-overlayfs leaves in an upper folder, turned into overlay form as the kernel writes it.

Source: github.com/containers/fuse-overlayfs, main.c: OPAQUE_XATTR and its kin, OPAQUE_WHITEOUT, hide_node.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..overlay import OPAQUE, OWN_PREFIXES, is_whiteout
from ..owners import OwnerTable, remember, remembering

if TYPE_CHECKING:
    from ..snapshot import MergedTree

__all__ = ["normalize"]

_PREFIXES = (*OWN_PREFIXES, "user.fuseoverlayfs.")
_OPAQUE_NAMES = tuple(f"{prefix}opaque" for prefix in _PREFIXES)
_OPAQUE_FILES = (".wh..wh..opq", ".wh..opq")  # the mark itself, and what it leaves when a folder is made anew
_WHITEOUT = ".wh."
_SET_ID = stat.S_ISUID | stat.S_ISGID


def normalize(folder: str, below: MergedTree, *, userxattr: bool) -> None:
    """Leave whiteouts and marks of opaque folders as `userxattr` wants them, and nothing else of its own.

    below: the layers it lies on: a new folder is marked too, which means nothing where there is none below.
    """
    owners = OwnerTable(folder) if remembering() else None
    todo = [""]
    while todo:
        path = todo.pop()
        place = f"{folder}/{path}" if path else folder
        before = os.lstat(place)
        if owners is not None:
            _settle_owner(place, before, owners)
        opaque, changed = _take_marks(place), False
        with os.scandir(place) as scan:
            entries = list(scan)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                todo.append(f"{path}/{entry.name}" if path else entry.name)
            elif entry.name.startswith(_WHITEOUT):
                opaque |= entry.name == _OPAQUE_FILES[0]
                _unhide(place, entry.name)
                changed = True
            elif not is_whiteout(entry.stat(follow_symlinks=False)):
                _take_marks(entry.path)
                if owners is not None and entry.is_file(follow_symlinks=False):
                    _settle_owner(entry.path, entry.stat(follow_symlinks=False), owners)
        if opaque and path and below.stack(path):
            os.setxattr(place, OPAQUE[userxattr], b"y")
        elif entries and not opaque:
            _give_back_set_id(place, before, below.stat(path))
        if changed:
            os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def _give_back_set_id(place: str, found: os.stat_result, was: os.stat_result | None) -> None:
    """A folder that was copied up because of what is in it has lost its set-id bits (seen with version 1.10).

    One that a step took them from looks the same, but mostly has nothing in it that the step wrote too.
    """
    if was is not None and stat.S_ISDIR(was.st_mode) and was.st_mode & ~_SET_ID == found.st_mode:
        os.chmod(place, stat.S_IMODE(was.st_mode))


def _settle_owner(place: str, found: os.stat_result, owners: OwnerTable) -> None:
    """Note with a file or folder what could only be noted beside the layer while the program had it."""
    known = owners.look_up(found)
    if known is not None:
        remember(place, known, found.st_mode)


def _take_marks(place: str) -> bool:
    """Remove its attributes; whether one of them said that the folder is opaque."""
    opaque = False
    for name in os.listxattr(place, follow_symlinks=False):
        if name.startswith(_PREFIXES):
            opaque |= name in _OPAQUE_NAMES and os.getxattr(place, name, follow_symlinks=False) == b"y"
            os.removexattr(place, name, follow_symlinks=False)
    return opaque


def _unhide(folder: str, name: str) -> None:
    """A whiteout that is a file, where no device could be made; and the mark of an opaque folder."""
    os.unlink(f"{folder}/{name}")
    hidden = name.removeprefix(_WHITEOUT)
    if name not in _OPAQUE_FILES and hidden and not os.path.lexists(f"{folder}/{hidden}"):
        os.mknod(f"{folder}/{hidden}", stat.S_IFCHR, os.makedev(0, 0))
