"""A client's folder, read where it stands while its owner may be changing it.

Every component is opened from the folder above it without following links, so nothing that is
swapped for a link during a build leads out. What was hashed is remembered by size, times and inode
number, and a file that is another one when it is copied stops the build: a result must never be
stored under the digest of something else.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SourceError
from .merged import own_xattrs
from .tree import Entry, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

__all__ = ["FolderTree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Signature(NamedTuple):
    """What changes when a file does."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class FolderTree:
    """A folder without the paths that `excludes` (lines of a .dockerignore) names. Owners count as 0:0."""

    owners = False

    def __init__(self, path: str, *, excludes: Sequence[str] = ()) -> None:
        """Raises SourceError when an exclude is malformed."""
        from ...patterns import IgnoreList

        self._path = path
        try:
            self._ignore = IgnoreList(excludes)
        except ValueError as error:
            raise SourceError(f"malformed line in .dockerignore: {error}", ref=path) from None
        self._seen: dict[str, _Signature] = {}
        self._leading: dict[str, bool] = {}  # excluded folders: whether something in them is included again

    def stat(self, path: str) -> os.stat_result | None:
        if not path:
            try:
                return os.stat(self._path)
            except OSError as error:
                raise SourceError(f"cannot read the folder {self._path!r}: {error.strerror}", ref=self._path) from None
        parent, _, name = path.rpartition("/")
        try:
            folder = self._open_folder(parent)
        except SourceError:
            return None
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        finally:
            os.close(folder)
        excluded = bool(self._ignore) and self._ignore.excludes(path)
        return None if excluded and not (stat.S_ISDIR(found.st_mode) and self.leads(path)) else found

    def directory(self, path: str) -> FolderDirectory:
        return FolderDirectory(self, path, self._open_folder(path))

    def above(self, path: str) -> int:
        """What the ignored lines say of a folder, for those who ask about what is in it."""
        bits, end = 0, 0 if path else -1
        while end >= 0:
            end = path.find("/", end + 1)
            bits = self._ignore.step(path if end < 0 else path[:end], bits)[1]
        return bits

    def shows(self, path: str, above: int, *, folder: bool) -> bool:
        """Whether a path is part of the tree; an excluded folder is when it leads to something that is included."""
        return not self._ignore.step(path, above)[0] or (folder and self.leads(path))

    def leads(self, path: str) -> bool:
        """Whether an excluded folder holds something that is included again."""
        known = self._leading.get(path)
        if known is None:
            known = False
            if self._ignore.may_include_below(path):
                with self.directory(path) as folder:
                    known = bool(folder.entries())
            self._leading[path] = known
        return known

    def saw(self, path: str, found: os.stat_result) -> None:
        """Remember the file as it is now, or compare with what was remembered.

        Raises SourceError when it is not the same any more.
        """
        now = _Signature(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        if self._seen.setdefault(path, now) != now:
            raise SourceError(f"{path!r} changed while the build was reading it", ref=path, hint="build again")

    def _open_folder(self, path: str) -> int:
        at = self._path
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in path.split("/") if path else ():
                try:
                    inner = os.open(part, _FOLDER, dir_fd=handle)
                finally:
                    os.close(handle)
                handle, at = inner, f"{at}/{part}"
        except OSError as error:
            raise SourceError(f"cannot read the folder {path or self._path!r}: {error.strerror}", ref=path) from None
        return handle


class FolderDirectory:
    """One folder of a FolderTree, held open."""

    def __init__(self, tree: FolderTree, path: str, handle: int) -> None:
        self._tree = tree
        self._path = path
        self._handle = handle

    def entries(self) -> list[Entry]:
        found = []
        shows = self._tree.shows
        above = self._tree.above(self._path)
        with os.scandir(self._handle) as scan:
            for item in scan:
                folder = item.is_dir(follow_symlinks=False)
                if shows(join(self._path, item.name), above, folder=folder):
                    found.append(Entry(item.name, item.stat(follow_symlinks=False)))
        found.sort(key=lambda entry: os.fsencode(entry.name))
        return found

    def open(self, name: str) -> int:
        path = join(self._path, name)
        try:
            # O_NONBLOCK: a file that was swapped for a fifo must not hang the build
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._handle)
        except OSError as error:
            raise SourceError(f"cannot read {path!r} of the build context: {error.strerror}", ref=path) from None
        try:
            self._tree.saw(path, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def readlink(self, name: str) -> str:
        return os.readlink(name, dir_fd=self._handle)

    def xattrs(self, name: str) -> Mapping[str, bytes]:
        if not name:
            return own_xattrs(self._handle)
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._handle)
        except OSError:
            return {}
        try:
            return own_xattrs(handle)
        finally:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)
