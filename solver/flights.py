"""Single flight: who works on a key, among all processes that share a state folder.

    async with flights.claim(key):       # waits while somebody else has it
        …look the key up, and if it is still unknown, do the work and record it…

One file, and in it one byte per key, locked with fcntl(2)'s OFD locks: nothing is written, nothing is left behind,
and whatever ends a process frees what it had. Keys are 32 bytes of a good hash, so 62 bits of one are its place;
two keys in one place would only wait for each other.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from ..errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .keys import Key

__all__ = ["Flights"]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.2


class Flights:
    """Claims on keys. Belongs to one event loop; many processes may share the file."""

    def __init__(self, path: Path | None = None) -> None:
        """path: of the lock file; None: no other process has this store. Raises StoreError when it cannot be made."""
        self._here: dict[Key, anyio.Event] = {}  # keys claimed in this process: its locks don't exclude each other
        self._file = -1
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o711, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from None

    @property
    def shared(self) -> bool:
        """Whether other processes may claim, and record, the same keys."""
        return self._file >= 0

    @asynccontextmanager
    async def claim(self, key: Key) -> AsyncIterator[None]:
        """Hold the key. Not reentrant. Raises StoreError when the file system knows no locks."""
        while (busy := self._here.get(key)) is not None:
            await busy.wait()
        freed = self._here[key] = anyio.Event()
        try:
            await self._lock(key)
            try:
                yield
            finally:
                self._set(key, fcntl.F_UNLCK)
        finally:
            del self._here[key]
            freed.set()

    def close(self) -> None:
        """Give up all claims of this process."""
        if self.shared:
            os.close(self._file)
            self._file = -1

    async def _lock(self, key: Key) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._set(key, fcntl.F_WRLCK):
            # Not F_OFD_SETLKW in a thread: a thread that waits in the kernel cannot be cancelled.
            await anyio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, _LONGEST_WAIT_S)

    def _set(self, key: Key, kind: int) -> bool:
        if not self.shared:
            return True
        place = int.from_bytes(key[:8], "big") >> 2
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise StoreError(f"cannot lock a step against other builds: {error.strerror}") from None
        return True
