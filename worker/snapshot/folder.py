"""A client's folder, read where it stands while its owner may be changing it.

Every component is opened from the folder above it without following links, so nothing that is
swapped for a link during a build leads out. What was read is remembered (size, times and inode of a
file or link, names and modes of a folder), and when it is something else the next time, the build
stops: a result must never be stored under the digest of something else.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...patterns import IgnoreList
from .rows import Entry
from .tree import join
from .xattrs import own_xattrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from .filedigests import FileDigests

__all__ = ["FolderTree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # the last: a link where a folder was asked for
_KEPT_OPEN = 64
_MOST_ENTRIES = 50_000  # remembered; each takes some 500 bytes
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a file swapped for a fifo must not hang the build


class FolderTree:
    """A folder without the paths that `excludes` (lines of a .dockerignore) names. Owners count as 0:0.

    An excluded folder is still part of the tree when something in it is included again. Safe for threads.
    """

    owners = False

    def __init__(self, path: str, *, excludes: Sequence[str] = (), digests: FileDigests | None = None) -> None:
        """digests: what earlier builds know of the folder's files. Raises SourceError when an exclude is malformed."""
        self._open: dict[str, int] = {}  # folders by path, never through a link
        self._path = path
        self.digests = digests
        try:
            self.ignore = IgnoreList(excludes)
        except ValueError as error:
            raise SourceError(f"malformed line in .dockerignore: {error}", ref=path) from None
        self._seen: dict[str, int] = {}
        # What folders held when they were first listed, by path, beside what says that nothing came or went since.
        # Files are looked at again when they are opened.
        self.listings: dict[str, tuple[tuple[int, int, int], list[Entry]]] = {}
        self.room_for_entries = _MOST_ENTRIES
        self._leads: dict[str, bool] = {}  # excluded folders: whether something in them is included again

    def __del__(self) -> None:
        for handle in self._open.values():
            os.close(handle)

    def stat(self, path: str) -> os.stat_result | None:
        if not path:
            try:
                return os.stat(self._path)
            except OSError as error:
                raise _unreadable(self._path, error) from None
        found = self.look(path)
        return None if found is None or not self._shows(path, found) else found

    def directory(self, path: str) -> FolderDirectory:
        try:
            return FolderDirectory(self, path, self._open_folder(path))
        except OSError as error:
            raise _unreadable(path or self._path, error) from None

    def excludes(self, path: str) -> bool:
        """Whether there is something that only its exclusion keeps out of the tree."""
        found = self.look(path)
        return found is not None and not self._shows(path, found)

    def look(self, path: str) -> os.stat_result | None:
        """What is at the path on the disk, excluded or not. Raises SourceError when that cannot be seen."""
        parent, _, name = path.rpartition("/")
        try:
            folder, lent = self._folder(parent)
            try:
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
            finally:
                if not lent:
                    os.close(folder)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise _unreadable(path, error) from None

    def leads_somewhere(self, path: str) -> bool:
        """Whether an excluded folder holds something that is included again."""
        if not self.ignore.may_include_below(path):
            return False
        known = self._leads.get(path)
        if known is None:
            with self.directory(path) as folder:
                known = self._leads[path] = folder.has_any()
        return known

    def saw(self, path: str, signature: int) -> None:
        """Remember what is at the path, or compare with what was. Raises SourceError when that is something else."""
        if self._seen.setdefault(path, signature) != signature:
            name = path or self._path
            raise SourceError(f"{name!r} changed while the build was reading it", ref=name, hint="build again")

    def _shows(self, path: str, found: os.stat_result) -> bool:
        if not self.ignore or not self.ignore.excludes(path):
            return True
        return stat.S_ISDIR(found.st_mode) and self.ignore.has_exceptions and self.leads_somewhere(path)

    def _open_folder(self, path: str) -> int:
        """A handle of the caller's own, with a place in the listing of its own: a duplicate would share that."""
        handle, lent = self._folder(path)
        return os.open(".", _FOLDER, dir_fd=handle) if lent else handle

    def _folder(self, path: str) -> tuple[int, bool]:
        """The folder, open; whether the handle is lent, or the caller's to close.

        The first ones are kept open for the life of the tree: a build file with many COPYs asks for the same few
        again and again. None is given up before: another thread may be using it.
        """
        known = self._open.get(path)
        if known is not None:
            return known, True
        above = path
        while above and above not in self._open:
            above = above.rpartition("/")[0]
        handle, lent = self._open.get(above, -1), True
        if handle < 0:
            handle, lent = self._keep("", os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        rest = path[len(above) :].lstrip("/")
        for part in rest.split("/") if rest else ():
            try:
                inner = os.open(part, _FOLDER, dir_fd=handle)
            finally:
                if not lent:
                    os.close(handle)
            above = join(above, part)
            handle, lent = self._keep(above, inner)
        return handle, lent

    def _keep(self, path: str, handle: int) -> tuple[int, bool]:
        kept = len(self._open) < _KEPT_OPEN and self._open.setdefault(path, handle) == handle
        return handle, kept


class FolderDirectory:
    """One folder of a FolderTree, held open."""

    def __init__(self, tree: FolderTree, path: str, handle: int) -> None:
        self._tree = tree
        self._path = path
        self._handle = handle

    def entries(self) -> list[Entry]:
        listings = self._tree.listings
        try:
            folder = os.fstat(self._handle)
            state = (folder.st_ino, folder.st_mtime_ns, folder.st_ctime_ns)
            self._tree.saw(self._path + "//", folder.st_mode)
            known = listings.get(self._path)
            if known is not None and known[0] == state:
                return known[1]
            found = self._list()
        except OSError as error:
            raise _unreadable(self._path or ".", error) from None
        names = [entry.name for entry in found]
        found.sort() if all(map(str.isascii, names)) else found.sort(key=lambda entry: os.fsencode(entry.name))
        self._tree.saw(self._path + "/", hash(tuple((entry.name, entry.stat.st_mode) for entry in found)))
        if len(found) <= self._tree.room_for_entries:
            self._tree.room_for_entries -= len(found)
            listings[self._path] = (state, found)
        return found

    def has_any(self) -> bool:
        """Whether the tree shows anything of it."""
        return bool(self._list(first_only=True))

    def _list(self, *, first_only: bool = False) -> list[Entry]:
        found: list[Entry] = []
        tree = self._tree
        excludes = tree.ignore.within(self._path) if tree.ignore else None
        with os.scandir(self._handle) as scan:
            for item in scan:
                name = item.name
                if excludes is not None and excludes(name):
                    if not tree.ignore.has_exceptions or not item.is_dir(follow_symlinks=False):
                        continue
                    if not tree.leads_somewhere(join(self._path, name)):
                        continue
                found.append(Entry(name, item.stat(follow_symlinks=False)))
                if first_only:
                    break
        return found

    def open(self, name: str) -> int:
        path = join(self._path, name)
        try:
            handle = os.open(name, _FILE, dir_fd=self._handle)
        except OSError as error:
            raise _unreadable(path, error) from None
        try:
            self._tree.saw(path, _signature(os.fstat(handle)))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def recall(self, name: str, found: os.stat_result) -> bytes | None:
        digests = self._tree.digests
        if digests is None:
            return None
        path = join(self._path, name)
        known = digests.recall(path, found)
        if known is not None:
            self._tree.saw(path, _signature(found))
        return known

    def note(self, name: str, found: os.stat_result, digest: bytes, read_ns: int) -> None:
        path = join(self._path, name)
        self._tree.saw(path, _signature(found))  # or it was written to while it was read
        if self._tree.digests is not None:
            self._tree.digests.note(path, found, digest, read_ns)

    def readlink(self, name: str) -> str:
        path = join(self._path, name)
        try:
            target = os.readlink(name, dir_fd=self._handle)
        except OSError as error:
            raise _unreadable(path, error) from None
        self._tree.saw(path, hash(target))
        return target

    def xattrs(self, name: str) -> Mapping[str, bytes]:
        if not name:
            return own_xattrs(self._handle)
        try:
            handle = os.open(name, _FILE, dir_fd=self._handle)
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


def _signature(found: os.stat_result) -> int:
    """What changes when a file does, as one number: a tree may have a million."""
    return hash((found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


def _unreadable(path: str, error: OSError) -> SourceError:
    hint = "make it readable, or leave it out in .dockerignore" if isinstance(error, PermissionError) else ""
    return SourceError(f"cannot read {path!r} of the build context: {error.strerror}", ref=path, hint=hint)
