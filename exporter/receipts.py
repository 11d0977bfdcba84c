"""Receipts: what an archive was written from, so that an export that would write the same bytes writes none.

The bytes of an archive follow from what goes into it (its plan). After writing, the plan's digest is
noted together with what the file looks like: device, inode, size, and its times to the nanosecond. A
file that looks the same, in the same run of the machine, is the same: whoever writes to it changes
its ctime, and a power failure ends the run. Receipts lie in `<state folder>/exports/`, one per
destination; a lost or torn one only means that the archive is written again.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..digest import sha256_digest
from ..smallfiles import boot_id, keep_newest, write_aside

__all__ = ["note_written", "still_written"]

_MAX_RECEIPTS = 200


def still_written(folder: str, path: str, plan: str) -> bool:
    """Whether `path` is what this plan gave when it was last written."""
    seen = _look(path)
    if not seen:
        return False
    try:
        with open(_receipt(folder, path)) as file:
            return file.read() == f"{plan}\n{seen}\n"
    except (OSError, UnicodeDecodeError):
        return False


def note_written(folder: str, path: str, plan: str) -> None:
    """Remember that `path` was just written from this plan. Failing to costs only time, so it never fails."""
    seen = _look(path)
    if not seen:
        return
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        write_aside(_receipt(folder, path), f"{plan}\n{seen}\n".encode())
        keep_newest(folder, _MAX_RECEIPTS)


def _receipt(folder: str, path: str) -> str:
    return f"{folder}/{sha256_digest(os.fsencode(os.path.realpath(path))).hex[:32]}"


def _look(path: str) -> str:
    """What identifies a plain file and its contents in this run of the machine; "" when nothing does."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    boot = boot_id()
    if not stat.S_ISREG(found.st_mode) or not boot:
        return ""
    return " ".join(map(str, (boot, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))
