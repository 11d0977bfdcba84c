"""A lock that many processes share, and tasks of one: a file that is locked as long as it is open."""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from ...blocking import run_blocking, wait_longer
from ...errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["file_lock", "try_lock"]


@asynccontextmanager
async def file_lock(path: str) -> AsyncIterator[None]:
    """Held by nobody else inside the block; whatever ends this process frees it. Raises StoreError."""
    file = await run_blocking(_open, path)
    try:
        waited_s = 0.0
        while not _take(file, path):
            waited_s = await wait_longer(waited_s)
        yield
    finally:
        os.close(file)


@contextmanager
def try_lock(path: str) -> Iterator[bool]:
    """Whether nobody has it; if so it is held inside the block. Raises StoreError."""
    file = _open(path)
    try:
        yield _take(file, path)
    finally:
        os.close(file)


def _open(path: str) -> int:
    try:
        os.makedirs(os.path.dirname(path), 0o711, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from None


def _take(file: int, path: str) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror}") from None
    return True
