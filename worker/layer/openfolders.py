"""Folders below a root, held open while they are written to.

Every step down is an `openat` that follows nothing. A symbolic link among the parents of a new file is resolved
here, in user land and inside the root, however hostile its text is; the kernel never sees one.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from ...errors import CorruptError
from .xattrs import opaque_xattr

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Folder", "OpenFolders"]

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_KEPT_OPEN = 64
_MAX_LINKS = 40  # as in the kernel


@dataclass(slots=True, eq=False)
class Folder:
    """An open folder. `mtime_ns` is set when it is closed: every file made in it would change it again."""

    fd: int
    path: bytes
    mtime_ns: int
    atime_ns: int


class OpenFolders:
    """Opens folders by path, makes those that are missing, keeps the last few open. A context manager.

    Memory and descriptors are bounded, whatever the archive: what is to be said about a folder is said when
    it is closed, and looked up again when it is opened once more.
    """

    def __init__(self, root: str, *, userxattr: bool) -> None:
        self._open: dict[bytes, Folder] = {}
        self._opaque = opaque_xattr(userxattr=userxattr)
        self.root = _folder(os.open(root, os.O_RDONLY | os.O_DIRECTORY), b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._open.values():
            _close(folder)
        self._open.clear()
        _close(self.root)

    def get(self, path: bytes) -> Folder:
        """The folder at `path` (clean, b"" is the root), made with its parents where missing."""
        if not path:
            return self.root
        known = self._open.get(path)
        if known is not None:
            return known
        at, left = self._nearest(path)
        links = 0
        while left:
            base = left.popleft()
            if base == b"..":
                at = self.get(at.path.rpartition(b"/")[0])
                continue
            child = at.path + b"/" + base if at.path else base
            step = self._open.get(child) or self._step(at, base, child)
            if isinstance(step, Folder):
                at = step
                continue
            links += 1
            if links > _MAX_LINKS:
                raise _refused(path, "it leads through too many symbolic links")
            if step.startswith(b"/"):
                at = self.root
            left.extendleft(reversed([part for part in step.split(b"/") if part not in (b"", b".")]))
        return at

    def make_opaque(self, folder: Folder) -> None:
        """Hide what the layers below have in this folder."""
        os.setxattr(folder.fd, self._opaque, b"y")

    def forget(self, path: bytes) -> None:
        """Close what is open at and below `path`, because it is about to be removed."""
        below = path + b"/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            _close(self._open.pop(known))

    def _nearest(self, path: bytes) -> tuple[Folder, deque[bytes]]:
        """The deepest open folder on the way, and the steps that are left."""
        cut = len(path)
        while (cut := path.rfind(b"/", 0, cut)) > 0:
            known = self._open.get(path[:cut])
            if known is not None:
                return known, deque(path[cut + 1 :].split(b"/"))
        return self.root, deque(path.split(b"/"))

    def _step(self, at: Folder, base: bytes, path: bytes) -> Folder | bytes:
        """The folder `base` in `at`, or the text of the symbolic link in its place."""
        try:
            fd = os.open(base, FOLDER_FLAGS, dir_fd=at.fd)
        except FileNotFoundError:
            fd = self._make(at, base)
        except NotADirectoryError:
            info = os.lstat(base, dir_fd=at.fd)
            if stat.S_ISLNK(info.st_mode):
                return os.readlink(base, dir_fd=at.fd)
            if not is_whiteout(info):
                raise _refused(path, "it is no folder, but something lies below it") from None
            os.unlink(base, dir_fd=at.fd)
            fd = self._make(at, base)
            os.setxattr(fd, self._opaque, b"y")  # what was deleted below stays deleted
        folder = _folder(fd, path)
        self._keep(folder)
        return folder

    def _make(self, at: Folder, base: bytes) -> int:
        os.mkdir(base, 0o755, dir_fd=at.fd)
        fd = os.open(base, FOLDER_FLAGS, dir_fd=at.fd)
        os.fchmod(fd, 0o755)  # whatever the umask
        return fd

    def _keep(self, folder: Folder) -> None:
        if len(self._open) >= _KEPT_OPEN:
            _close(self._open.pop(next(iter(self._open))))
        self._open[folder.path] = folder


def is_whiteout(info: os.stat_result) -> bool:
    """Whether it is overlay's mark for "deleted here"."""
    return info.st_rdev == 0 and stat.S_ISCHR(info.st_mode)


def _folder(fd: int, path: bytes) -> Folder:
    info = os.fstat(fd)
    return Folder(fd, path, info.st_mtime_ns, info.st_atime_ns)


def _close(folder: Folder) -> None:
    try:
        os.utime(folder.fd, ns=(folder.atime_ns, folder.mtime_ns))
    finally:
        os.close(folder.fd)


def _refused(path: bytes, why: str) -> CorruptError:
    name = os.fsdecode(path)
    return CorruptError(f"cannot unpack {name}: {why}", expected="a folder", actual=name)
