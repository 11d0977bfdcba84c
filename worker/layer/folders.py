"""Open folders: the last few stay open, and each gets its own time back when it is closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["FOLDER_FLAGS", "Folder", "KeptOpen", "join"]

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_KEPT = 64


class Folder:
    """An open folder. Its times are set when it is closed: every file made in it would change them again."""

    __slots__ = ("fd", "path", "times_ns")

    def __init__(self, fd: int, path: bytes) -> None:
        info = os.fstat(fd)
        self.fd = fd
        self.path = path  # below the root, through no link
        self.times_ns = (info.st_atime_ns, info.st_mtime_ns)

    def close(self) -> None:
        try:
            os.utime(self.fd, ns=self.times_ns)
        finally:
            os.close(self.fd)


class KeptOpen:
    """The last few folders used, by path. A context manager that closes them.

    Memory and descriptors are bounded whatever the archive: what is to be said about a folder is said
    when it is closed, and read from the disk when it is opened once more.
    """

    def __init__(self) -> None:
        self._open: dict[bytes, Folder] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def get(self, path: bytes) -> Folder | None:
        return self._open.get(path)

    def keep(self, fd: int, path: bytes) -> Folder:
        """Take over an open descriptor. The folder opened the longest time ago may be closed for it."""
        folder = Folder(fd, path)
        self._open[path] = folder
        if len(self._open) > _KEPT:
            self._open.pop(next(iter(self._open))).close()
        return folder

    def forget(self, path: bytes) -> None:
        """Close what is open at and below `path`, because it is about to be removed."""
        below = path + b"/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            self._open.pop(known).close()


def join(folder: Folder, base: bytes) -> bytes:
    return folder.path + b"/" + base if folder.path else base
