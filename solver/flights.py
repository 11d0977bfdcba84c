"""Single flight: who works on a key, among all processes that share a state folder.

    await flights.claim(key)             # waits while somebody else has it
    …look it up: whoever had it may have left a result; if it is still unknown, do the work and record it…
    flights.release(key)

One file, and in it one byte per key, locked with fcntl(2)'s OFD locks: nothing is left behind, and whatever ends a
process frees what it had. Keys are 32 bytes of a good hash, so 62 bits of one are its place; two keys in one place
would only wait for each other. The file's only content is a mark of the process that opened it last: as long as it
is one's own, and nobody was there before, one is alone.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

import anyio

from ..blocking import wait_longer
from ..bytelocks import READ, UNLOCK, WRITE, lock_byte, one_locked, open_lock_file, place_of
from ..errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from .keys import Key

__all__ = ["Flights"]

_PRESENCE = (1 << 62) + 1  # beyond the places of keys; read-locked by every process that has the file open
_MARK_BYTES = 16


class Flights:
    """Claims on keys. Belongs to one event loop; many processes may share the file."""

    def __init__(self, path: Path | None = None) -> None:
        """path: of the lock file; None: no other process has this store. Raises StoreError when it cannot be made."""
        self._here: dict[
            Key, anyio.Event | None
        ] = {}  # keys claimed in this process, whose locks don't exclude each other; None: nobody waits
        self._file = -1
        if path is None:
            return
        self._file = open_lock_file(path)
        try:
            self._mark = os.urandom(_MARK_BYTES)
            lock_byte(self._file, _PRESENCE, READ)
            # In this order: of two that open it at once, the later to write is seen by the other, and sees the other.
            os.pwrite(self._file, self._mark, 0)
            self._was_alone = one_locked(self._file, _PRESENCE, 1) is None
            self._shown = mmap.mmap(self._file, _MARK_BYTES, prot=mmap.PROT_READ)
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from None

    @property
    def alone(self) -> bool:
        """No other process has had this file open since this one opened it."""
        return self._file < 0 or (self._was_alone and self._shown[:] == self._mark)

    def close(self) -> None:
        """Give up all claims of this process."""
        if self._file >= 0:
            self._shown.close()
            os.close(self._file)
            self._file = -1

    async def claim(self, key: Key) -> None:
        """Take the key. Not reentrant. Raises StoreError when the file system knows no locks."""
        while key in self._here:
            freed = self._here[key] = self._here[key] or anyio.Event()
            await freed.wait()
        self._here[key] = None
        waited_s = 0.0
        try:
            while not self._set(key, WRITE):
                waited_s = await wait_longer(waited_s)
        except BaseException:
            self.release(key)
            raise

    def release(self, key: Key) -> None:
        """Give it back, from the event loop. What was claimed must be recorded by now, or will not be."""
        self._set(key, UNLOCK)
        freed = self._here.pop(key)
        if freed is not None:
            freed.set()

    def _set(self, key: Key, kind: int) -> bool:
        """Lock or unlock a key; False when another process has it."""
        return self._file < 0 or lock_byte(self._file, place_of(key), kind)
