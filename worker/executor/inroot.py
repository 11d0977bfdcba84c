"""Paths of an image, walked without ever leaving it, once this process has changed its root.

That alone would not be enough: until its last moment this process holds descriptors of the machine's folders, and
a link of the image to /proc/self/fd/7 leads to one of them, and by ".." to all of the machine (CVE-2024-21626). So
nothing here follows such magic links (openat2(2), RESOLVE_NO_MAGICLINKS).
"""

from __future__ import annotations

import os

from .. import syscalls
from .failure import SetupError, explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["find", "open_path"]

_MAX_LINKS = 40  # as the kernel's own limit, path_resolution(7)


def open_path(path: bytes, flags: int) -> int:
    """Open what is there; `path` counts from the root with or without a leading "/"."""
    return syscalls.openat2(b"/" + path, flags, resolve=syscalls.RESOLVE_NO_MAGICLINKS | syscalls.RESOLVE_IN_ROOT)


def find(path: bytes, make: Callable[[bytes, bytes, bool], None]) -> int:
    """`path` as an O_PATH descriptor; dangling links are followed too, and what is missing on the way is made.

    make(parent, name, last): make one entry; `parent` has no links in it and no leading "/".
    """
    try:
        return open_path(path, os.O_PATH)
    except OSError:
        pass  # go through it part by part, to make what is missing or say what is wrong
    todo = _parts(path)
    here: list[bytes] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == b"..":
            here = here[:-1]
            continue
        entry = b"/".join([*here, part])
        target = _link_target(entry)
        if target is None:
            if not _exists(entry):
                make(b"/".join(here), part, not todo)
            here.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise SetupError(f"{os.fsdecode(path)}: too many symbolic links")
        if target.startswith(b"/"):
            here = []
        todo = _parts(target) + todo
    return open_path(b"/".join(here), os.O_PATH)


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _link_target(path: bytes) -> bytes | None:
    try:
        fd = open_path(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return os.readlink(b"", dir_fd=fd)
    except OSError:
        return None  # not a link
    finally:
        os.close(fd)


def _exists(path: bytes) -> bool:
    try:
        os.close(open_path(path, os.O_PATH))
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise explained(f"cannot use /{os.fsdecode(path)}", exc) from exc
    return True
