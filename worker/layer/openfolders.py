"""Folders below a root, opened so that no archive leads out of it.

Every step down is an `openat` that follows nothing. A symbolic link among the parents of a new file is resolved
here, in user land and inside the root, however hostile its text is; the kernel never sees one.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from typing import TYPE_CHECKING, Self

from ...errors import CorruptError
from ..overlay import OPAQUE, is_whiteout
from .folders import FOLDER_FLAGS, Folder, KeptOpen, join

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["OpenFolders"]

_MAX_LINKS = 40  # as in the kernel
_MOST_IMPLIED = 10_000  # remembered: of more, only an attack would have need


class OpenFolders:
    """The folders of one layer, or of any folder that is filled. A context manager.

    What it is asked for it makes, with its parents. A whiteout in the way becomes an opaque folder.
    `implied` has the folders that were made only because something lies in them: no member has said what they are.
    """

    def __init__(self, root: str, *, userxattr: bool) -> None:
        self._kept = KeptOpen()
        self._opaque = OPAQUE[userxattr]
        self.implied: set[bytes] = set()
        # Its own time is left as it becomes: no member speaks about the root.
        self._root = Folder(os.open(root, os.O_RDONLY | os.O_DIRECTORY), b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._kept:
            os.close(self._root.fd)

    def get(self, path: bytes) -> Folder:
        """The folder at `path` (clean; b"" is the root), links in it followed."""
        if not path:
            return self._root
        return self._kept.get(path) or self._walk(path)

    def exact(self, parent: Folder, base: bytes) -> Folder:
        """The folder of that very name; a file or link that has the name is removed."""
        path = join(parent, base)
        found = self._kept.get(path)
        if found is None:
            step = self._step(parent, base, path, replace=True)
            assert isinstance(step, Folder), "a link in the way is removed, not followed"
            found = step
        self.implied.discard(path)
        return found

    def clear(self, parent: Folder, base: bytes) -> None:
        """Remove whatever has that name."""
        try:
            os.unlink(base, dir_fd=parent.fd)
        except IsADirectoryError:
            path = join(parent, base)
            self._kept.forget(path)
            _remove_tree(parent, base)
            if self.implied:
                self.implied = {one for one in self.implied if one != path and not one.startswith(path + b"/")}

    def make_opaque(self, folder: Folder) -> None:
        """Hide what the layers below have in this folder."""
        os.setxattr(folder.fd, self._opaque, b"y")

    def _walk(self, path: bytes) -> Folder:
        at, left = self._nearest(path)
        links = 0
        while left:
            base = left.popleft()
            if base == b"..":
                at = self.get(at.path.rpartition(b"/")[0])
                continue
            child = join(at, base)
            step = self._kept.get(child) or self._step(at, base, child)
            if isinstance(step, Folder):
                at = step
                continue
            links += 1
            if links > _MAX_LINKS:
                raise _refused(path, "it leads through too many symbolic links")
            if step.startswith(b"/"):
                at = self._root
            left.extendleft(reversed([part for part in step.split(b"/") if part not in (b"", b".")]))
        return at

    def _nearest(self, path: bytes) -> tuple[Folder, deque[bytes]]:
        """The deepest open folder on the way, and the steps that are left."""
        cut = len(path)
        while (cut := path.rfind(b"/", 0, cut)) > 0:
            known = self._kept.get(path[:cut])
            if known is not None:
                return known, deque(path[cut + 1 :].split(b"/"))
        return self._root, deque(path.split(b"/"))

    def _step(self, at: Folder, base: bytes, path: bytes, *, replace: bool = False) -> Folder | bytes:
        """The folder `base` in `at`, or the text of the symbolic link in its place."""
        try:
            return self._kept.keep(os.open(base, FOLDER_FLAGS, dir_fd=at.fd), path)
        except FileNotFoundError:
            return self._make(at, base, path)
        except NotADirectoryError:
            info = os.lstat(base, dir_fd=at.fd)
        if is_whiteout(info):
            os.unlink(base, dir_fd=at.fd)
            folder = self._make(at, base, path)
            self.make_opaque(folder)  # what was deleted below stays deleted
            return folder
        if replace:
            os.unlink(base, dir_fd=at.fd)
            return self._make(at, base, path)
        if stat.S_ISLNK(info.st_mode):
            return os.readlink(base, dir_fd=at.fd)
        raise _refused(path, "it is no folder, but something lies below it")

    def _make(self, at: Folder, base: bytes, path: bytes) -> Folder:
        os.mkdir(base, 0o755, dir_fd=at.fd)
        fd = os.open(base, FOLDER_FLAGS, dir_fd=at.fd)
        os.fchmod(fd, 0o755)  # whatever the umask
        if len(self.implied) < _MOST_IMPLIED:
            self.implied.add(path)
        return self._kept.keep(fd, path)


def _remove_tree(parent: Folder, base: bytes) -> None:
    from shutil import rmtree

    try:
        rmtree(os.fsdecode(base), dir_fd=parent.fd)
    except RecursionError:
        raise _refused(join(parent, base), "it replaces a folder that is too deep") from None


def _refused(path: bytes, why: str) -> CorruptError:
    name = os.fsdecode(path)
    return CorruptError(f"cannot unpack {name}: {why}", expected="a folder", actual=name)
