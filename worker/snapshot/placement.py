"""Where the disk puts layers: far from each other, on file systems that can be told so."""

from __future__ import annotations

import fcntl
import os
import struct

__all__ = ["make_spread_folder"]

# linux/fs.h: _IOR('f', 1, long), _IOW('f', 2, long); the argument is an int all the same, ioctl_iflags(2).
_LONG_BYTES = struct.calcsize("l")
_GETFLAGS = 2 << 30 | _LONG_BYTES << 16 | ord("f") << 8 | 1
_SETFLAGS = 1 << 30 | _LONG_BYTES << 16 | ord("f") << 8 | 2
_TOPDIR = 0x20000


def make_spread_folder(path: str, mode: int) -> None:
    """Make a folder, and those above it, whose subfolders have nothing to do with each other (`chattr +T`).

    ext4 then gives each a block group of its own rather than its neighbour's. That matters where files are made and
    removed in quick succession, as overlayfs does at every mount to find out what it can do: without a journal ext4
    does not use an inode again for minutes and passes over every one just removed, one by one, whenever it makes a
    file in that group (`recently_deleted` in fs/ext4/ialloc.c). 50 RUNs after a large removal: 0.55-0.69 s before,
    0.37 s so. Other file systems refuse the flag, and need none.
    """
    os.makedirs(path, mode, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = bytearray(_LONG_BYTES)
        fcntl.ioctl(folder, _GETFLAGS, flags)
        (known,) = struct.unpack_from("i", flags)
        fcntl.ioctl(folder, _SETFLAGS, struct.pack("i", known | _TOPDIR).ljust(_LONG_BYTES, b"\0"))
    except OSError:
        pass  # a hint
    finally:
        os.close(folder)
