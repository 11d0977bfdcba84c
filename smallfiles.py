"""Small files that rooms keep beside their stores: written whole, the newest of a folder. And which run this is."""

from __future__ import annotations

import contextlib
import os

__all__ = ["boot_id", "keep_newest", "write_aside"]


def write_aside(path: str, data: bytes) -> None:
    """Write a file that appears whole or not at all. Raises OSError."""
    aside = f"{path}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(data)
    os.replace(aside, path)


def keep_newest(folder: str, count: int) -> None:
    """Remove the files of a folder that were changed longest ago, until so many are left. Raises OSError.

    Others may do the same meanwhile. While there are no more than that, it costs a listing.
    """
    if len(os.listdir(folder)) <= count:
        return
    found: list[tuple[int, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, path in sorted(found, reverse=True)[count:]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def boot_id() -> str:
    """What the kernel calls this run of the machine; "" where it does not tell. random(4), boot_id."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
