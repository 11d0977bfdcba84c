"""Where results are kept, and how layers become a filesystem there."""

from __future__ import annotations

import os
import tempfile

from ..snapshotter import NAMES, try_out
from ..userns import enter_user_namespace, needs_user_namespace
from .finding import Finding, Level
from .system import read_text

__all__ = ["filesystem_of", "find_snapshotter", "find_state_folder"]

_GIB = 1 << 30
_LITTLE_BYTES = 2 * _GIB
_HINT = "load the module overlay; and keep the state on a filesystem that overlayfs takes: ext4, xfs, btrfs, tmpfs"


def find_state_folder(root: str) -> Finding:
    place = _existing(root)
    room = os.statvfs(place)
    free_bytes = room.f_bavail * room.f_frsize
    kind = filesystem_of(place, read_text("/proc/self/mountinfo"))
    value = f"{root}{'' if place == root else ' (not made yet)'}; {kind or '?'}, {free_bytes / _GIB:.1f} GiB free"
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(
            name="state folder", value=value, level=Level.BROKEN, hint="not writable: choose another (--root)"
        )
    if free_bytes < _LITTLE_BYTES:
        hint = "little room: choose another (--root), or remove what is in it"
        return Finding(name="state folder", value=value, level=Level.LIMITED, hint=hint)
    return Finding(name="state folder", value=value)


def find_snapshotter(root: str) -> Finding:
    """How layers become a filesystem where the state folder is: each way is tried out, in namespaces of its own."""
    place = _existing(root)
    place = place if os.access(place, os.W_OK | os.X_OK) else tempfile.gettempdir()
    before = enter_user_namespace if needs_user_namespace() else (lambda: None)
    failures = {name: try_out(name, place, before) for name in NAMES}
    working = [name for name in NAMES if not failures[name]]
    if not working:
        return Finding(name="snapshotter", value=f"none: {failures[NAMES[0]]}", level=Level.BROKEN, hint=_HINT)
    marks = " (marks in user.* attributes)" if needs_user_namespace() else ""
    value = working[0] + marks + "".join(f"; {name} works too" for name in working[1:])
    if working[0] == NAMES[0]:
        return Finding(name="snapshotter", value=value)
    why = f"overlay does not: {failures[NAMES[0]]}"
    return Finding(name="snapshotter", value=f"{value}; {why}", level=Level.LIMITED, hint=f"slower; {_HINT}")


def filesystem_of(path: str, mountinfo: str) -> str:
    """The kind of the filesystem `path` is on, from the text of /proc/self/mountinfo."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split(" ")[4].replace("\\040", " ")
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):  # of two at one place the later covers the earlier
            best, kind = mount, after.split(" ")[0]
    return kind


def _existing(path: str) -> str:
    """The folder, or the nearest one above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
