"""Writing one layer in overlay form, on top of others, without mounting them.

A folder is copied up (made with the metadata of the one below) before anything is put into it; what
covers something in a lower layer needs nothing, what takes it away leaves a whiteout. The upper
folder is private until the layer is committed, so its paths cannot change under us.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import LlbuildError
from .merged import OPAQUE, MergedDirectory, MergedTree, is_whiteout

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LayerWriter", "Owner", "set_owner", "set_xattrs"]

Owner = tuple[int, int]  # uid, gid
Times = tuple[int, int]  # of access and change, in nanoseconds
_NOT_PERMITTED = frozenset({1, 22, 75, 95})  # EPERM, EINVAL, EOVERFLOW, ENOTSUP


class LayerWriter:
    """The layer at `upper` (an active one's `fs`), seen together with what lies below it. A `Tree`."""

    owners = True

    def __init__(self, base: MergedTree, upper: str, *, userxattr: bool) -> None:
        self._base = base
        self._upper = upper
        self._opaque_name = OPAQUE[userxattr]
        self._folders = {""}  # those the upper layer has
        self._hiding: set[str] = set()  # those of them that hide everything below
        self._times: dict[str, Times] = {}  # folders whose times are not those of what was put into them
        self._copy_root()

    def stat(self, path: str) -> os.stat_result | None:
        place = self.place(path)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            return None if self._hidden(path) else self._base.stat(path)
        except NotADirectoryError:
            return None
        return None if is_whiteout(found) else found

    def directory(self, path: str) -> MergedDirectory:
        stack = [self.place(path)] if path in self._folders else []
        if not self._hidden(path) and path not in self._hiding:
            stack += self._base.stack(path)
        return MergedDirectory(stack, self._opaque_name)

    def place(self, path: str) -> str:
        """Where a path of the layer lies on this machine."""
        return f"{self._upper}/{path}" if path else self._upper

    def make_folder(self, path: str, *, mode: int = 0o755, owner: Owner = (0, 0)) -> bool:
        """See that there is a folder, to put something in; what is there keeps its metadata.

        Returns whether it is new. Raises LlbuildError when something else is in the way.
        """
        if path in self._folders:
            return False
        self.open_parent(path)
        found = self.stat(path)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise LlbuildError(f"/{path} is not a folder")
        place = self.place(path)
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:  # a whiteout: what it took away must not come back
            os.unlink(place)
            os.mkdir(place, 0o700)
            if self._base.stack(path):
                self._hide(path)
        self._folders.add(path)
        if found is None:
            set_owner(place, owner)
            os.chmod(place, mode)
        else:
            self._copy_metadata(path, found, place)
        return found is None

    def set_times(self, path: str, times: Times) -> None:
        """The times a folder of this layer is to have when nothing is put into it any more (`finish`)."""
        self._times[path] = times

    def finish(self) -> None:
        """Give folders their times. What was only copied up to hold something shows those of the folder below."""
        for path, times in self._times.items():
            os.utime(self.place(path), ns=times)

    def open_parent(self, path: str) -> None:
        """See that the folder a path lies in can be written to."""
        parents = path.split("/")[:-1]
        for count in range(1, len(parents) + 1):
            parent = "/".join(parents[:count])
            if parent not in self._folders:
                self.make_folder(parent)

    def clear(self, path: str, *, replace: bool = False) -> str:
        """Make room for something that is no folder; returns where to create it.

        Raises LlbuildError when a folder is in the way, unless it is to be replaced.
        """
        self.open_parent(path)
        place = self.place(path)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            found = None
        if found is not None and not stat.S_ISDIR(found.st_mode):
            os.unlink(place)
            return place
        below = None if found is not None or self._hidden(path) else self._base.stat(path)
        there = found or below
        if there is not None and stat.S_ISDIR(there.st_mode):
            if not replace:
                raise LlbuildError(f"cannot replace the folder /{path} with a file")
            if found is not None:
                self._drop(path)
        return place

    def remove(self, path: str) -> None:
        """Take away what is at the path, in this layer and in those below."""
        self.open_parent(path)
        place = self.place(path)
        if os.path.lexists(place):
            self._drop(path)
        if not self._hidden(path) and self._base.stat(path) is not None:
            os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))

    def _drop(self, path: str) -> None:
        """Remove from this layer only."""
        place = self.place(path)
        if stat.S_ISDIR(os.lstat(place).st_mode):
            import shutil

            shutil.rmtree(place)
            gone = {folder for folder in self._folders if folder == path or folder.startswith(path + "/")}
            self._folders -= gone
            self._hiding -= gone
            for folder in gone & self._times.keys():
                del self._times[folder]
        else:
            os.unlink(place)

    def _hide(self, path: str) -> None:
        os.setxattr(self.place(path), self._opaque_name, b"y")
        self._hiding.add(path)

    def _hidden(self, path: str) -> bool:
        """Whether a folder of this layer above the path hides what lower layers have there."""
        if not self._hiding:
            return False
        parts = path.split("/")
        return any("/".join(parts[:count]) in self._hiding for count in range(1, len(parts)))

    def _copy_root(self) -> None:
        found = self._base.stat("")
        if found is not None:
            self._copy_metadata("", found, self._upper)

    def _copy_metadata(self, path: str, found: os.stat_result, place: str) -> None:
        set_owner(place, (found.st_uid, found.st_gid))
        with self._base.directory(path) as folder:
            set_xattrs(place, folder.xattrs(""))
        os.chmod(place, stat.S_IMODE(found.st_mode))
        self._times[path] = (found.st_atime_ns, found.st_mtime_ns)


def set_owner(place: str | int, owner: Owner) -> None:
    """chown, where the machine can express it: in a user namespace of one id every file is that id's."""
    try:
        if isinstance(place, int):
            os.fchown(place, *owner)
        else:
            os.chown(place, *owner, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_PERMITTED:
            raise


def set_xattrs(place: str | int, xattrs: Mapping[str, bytes]) -> None:
    for name, value in xattrs.items():
        try:
            os.setxattr(place, name, value)
        except OSError as error:
            if error.errno not in _NOT_PERMITTED:
                raise
