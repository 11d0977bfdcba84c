"""Where results are kept, and how layers become a filesystem there."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from ..executor.failure import SetupError
from ..executor.host import Host
from ..executor.mounts import overlay
from ..syscalls import CLONE_NEWNS, unshare
from ..userns import enter_user_namespace, needs_user_namespace
from .finding import Finding, Level
from .system import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["filesystem_of", "find_snapshotter", "find_state_folder"]

_GIB = 1 << 30
_LITTLE_BYTES = 2 * _GIB


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
    """Whether layers can be mounted where the state folder is: tried out in a child, in namespaces of its own."""
    place = _existing(root)
    trial = tempfile.mkdtemp(prefix=".llbuild-info-", dir=place if os.access(place, os.W_OK | os.X_OK) else None)
    try:
        marks = "user.*" if needs_user_namespace() else "trusted.*"
        failure = _try_overlay(trial)
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    if failure:
        hint = (
            "load the module overlay; and keep the state on a filesystem that overlayfs takes: ext4, xfs, btrfs, tmpfs"
        )
        return Finding(name="snapshotter", value=f"none: {failure}", level=Level.BROKEN, hint=hint)
    return Finding(name="snapshotter", value=f"overlayfs (marks in {marks} attributes)")


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


def _try_overlay(folder: str) -> str:
    """Why layers cannot be mounted in `folder`; "" if they can."""
    names = [os.path.join(folder, name) for name in ("stage", "lower", "upper", "work")]
    for name in names:
        os.mkdir(name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _mount_in_child([os.fsencode(name) for name in names], writer)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as report:
        said = report.read()
    os.waitpid(child, 0)
    return said


def _mount_in_child(names: Sequence[bytes], report: int) -> NoReturn:
    stage, lower, upper, work = names
    said = "the trial ended unexpectedly"
    try:
        if needs_user_namespace():
            enter_user_namespace()
        unshare(CLONE_NEWNS)
        overlay([lower], upper, work, host=Host(stage, lower))
        said = ""
    except SetupError as exc:
        said = exc.message
    except Exception as exc:  # noqa: BLE001  whatever it is, it is what is wrong with this machine
        said = str(exc)
    finally:
        os.write(report, said.encode(errors="replace"))
        os._exit(0)


def _existing(path: str) -> str:
    """The folder, or the nearest one above it that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
