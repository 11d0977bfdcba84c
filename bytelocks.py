"""Locks on single bytes of a file: who works on what, among all processes that share a state folder.

They belong to an open file (fcntl(2), "Open file description locks"): two openings exclude each other also within one
process, and whatever ends a process frees what it had. Nothing is written, so nothing is left behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

from .errors import StoreError

__all__ = ["READ", "UNLOCK", "WRITE", "lock_byte", "one_locked", "open_lock_file", "place_of"]

READ: Final = fcntl.F_RDLCK  # shared with other readers
WRITE: Final = fcntl.F_WRLCK
UNLOCK: Final = fcntl.F_UNLCK

_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid


def open_lock_file(path: str | os.PathLike[str]) -> int:
    """Open the file, making it and its folder when they are not there. Raises StoreError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), 0o711, exist_ok=True)
            return os.open(path, flags, 0o600)
    except OSError as error:
        raise StoreError(f"cannot lock {os.fspath(path)}: {error.strerror}") from None


def place_of(key: bytes) -> int:
    """The byte of a key that is a good hash: 62 bits of it. Two keys in one place only wait for each other."""
    return int.from_bytes(key[:8], "big") >> 2


def lock_byte(file: int, place: int, kind: int = WRITE) -> bool:
    """Lock or unlock a byte, without waiting; False when somebody else has it. Other locks of the open file stay.

    Raises StoreError when the file system knows no locks.
    """
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise _refused(error) from None
    return True


def one_locked(file: int, start: int, length: int) -> int | None:
    """A byte that somebody else has locked, among these (length 0: all from `start` on); not always the first."""
    wanted = _FLOCK.pack(WRITE, os.SEEK_SET, start, length, 0)
    try:
        kind, _, place, _, _ = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_OFD_GETLK, wanted))
    except OSError as error:
        raise _refused(error) from None
    return None if kind == UNLOCK else int(place)


def _refused(error: OSError) -> StoreError:
    return StoreError(f"cannot lock against other builds: {error.strerror}")
