"""Writing one layer in overlay form, on top of others, without mounting them.

A folder is copied up (made with the metadata of the one below) before anything is put into it; what
covers something in a lower layer needs nothing, what takes it away leaves a whiteout, and a folder that
stands where something was taken away is opaque. The upper folder is private until the layer is
committed, so its paths cannot change under us.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from ...errors import LlbuildError
from ..overlay import OPAQUE, is_whiteout
from ..owners import LayerOwners, OwnerTable, remember, remembering
from .merged import MergedDirectory, MergedTree
from .removal import remove_tree
from .xattrs import set_xattrs

if TYPE_CHECKING:
    from typing import TypeAlias

    Owner: TypeAlias = tuple[int, int]  # uid, gid
    Times: TypeAlias = tuple[int, int]  # of reading and of change, in ns

__all__ = ["LayerWriter", "set_owner"]

_NOT_MAPPED = frozenset({errno.EPERM, errno.EINVAL, errno.EOVERFLOW, errno.ENOTSUP})


class LayerWriter:
    """The layer at `upper` (an active one's `fs`), seen together with what lies below it. A `Tree`.

    Belongs to one thread.
    """

    owners = True

    def __init__(self, base: MergedTree, upper: str, *, userxattr: bool) -> None:
        self._base = base
        self._upper = upper
        self._opaque_name = OPAQUE[userxattr]
        self._folders = {""}  # those this layer has
        self._alone: set[str] = set()  # those of them with nothing below: new ones, opaque ones, and all inside these
        self._times: dict[str, Times] = {}  # of folders that have been given some
        self.owners_of_links = OwnerTable(upper)
        self._owners = LayerOwners(base.folders, self.owners_of_links) if remembering() else None
        self._copy_root()

    def stat(self, path: str) -> os.stat_result | None:
        parent = path.rpartition("/")[0]
        if parent in self._folders:
            try:
                found = os.lstat(self.place(path))
            except FileNotFoundError:
                pass
            else:
                if is_whiteout(found) or self._owners is None:
                    return None if is_whiteout(found) else found
                return self._owners.meant(self.place(path), found)
            if parent in self._alone:
                return None
        elif self._hidden(parent):
            return None
        return self._base.stat(path)

    def directory(self, path: str) -> MergedDirectory:
        stack = [self.place(path)] if path in self._folders else []
        if path not in self._alone and not self._hidden(path):
            stack += self._base.stack(path)
        if not stack and path:
            raise LlbuildError(f"/{path} is not a folder")
        return MergedDirectory(stack, self._owners)

    def place(self, path: str) -> str:
        """Where a path of the layer lies on this machine."""
        return f"{self._upper}/{path}" if path else self._upper

    def make_folder(self, path: str, *, mode: int = 0o755, owner: Owner = (0, 0)) -> bool:
        """See that there is a folder, to put something in; what is there keeps its metadata.

        Missing parents are made 0755 and root's. Returns whether it is new.
        Raises LlbuildError when something else is in the way.
        """
        if path in self._folders:
            return False
        self.open_folder(path.rpartition("/")[0])
        return self._make_folder(path, mode, owner)

    def open_folder(self, path: str) -> None:
        """See that the folder, which is or is missing, can be written to."""
        missing = []
        while path not in self._folders:
            missing.append(path)
            path = path.rpartition("/")[0]
        for folder in reversed(missing):
            self._make_folder(folder, 0o755, (0, 0))

    def _make_folder(self, path: str, mode: int, owner: Owner) -> bool:
        parent = path.rpartition("/")[0]
        place = self.place(path)
        below = None if parent in self._alone else self._base.stat(path)
        try:
            os.mkdir(place, 0o700)
            was_deleted = False
        except FileExistsError:
            if not is_whiteout(os.lstat(place)):
                raise LlbuildError(f"/{path} is not a folder") from None
            os.unlink(place)
            os.mkdir(place, 0o700)
            was_deleted = True
        if below is None or was_deleted:
            if below is not None:
                os.setxattr(place, self._opaque_name, b"y")
            self._folders.add(path)
            self._alone.add(path)
            set_owner(place, owner)
            os.chmod(place, mode)
            return True
        if not stat.S_ISDIR(below.st_mode):
            os.rmdir(place)
            raise LlbuildError(f"/{path} is not a folder")
        self._folders.add(path)
        self._copy_metadata(path, below, place)
        return False

    def set_owner(self, place: str, owner: Owner) -> None:
        """chown of something in this layer, links included, as far as it can be expressed or remembered."""
        if self._owners is not None:
            found = os.lstat(place)
            if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
                self.owners_of_links.note(found, *owner)
                return
        set_owner(place, owner)

    def set_mode(self, path: str, mode: int) -> None:
        """The permissions of a folder of this layer."""
        os.chmod(self.place(path), mode)

    def set_times(self, path: str, times: Times) -> None:
        """The times a folder of this layer is to have once nothing is put into it any more."""
        self._times[path] = times

    def keep_times(self, path: str, times: Times) -> None:
        """The same for a folder that is given none otherwise, if it gets into this layer: the times it had."""
        self._times.setdefault(path, times)

    def finish(self) -> None:
        """Give folders their times: what was put into one since has moved them."""
        for path, times in self._times.items():
            if path in self._folders:
                os.utime(self.place(path), ns=times)

    def clear(self, path: str, *, replace: bool = False) -> str:
        """Make room for something that is no folder; returns where to create it.

        Raises LlbuildError when a folder is in the way, unless it is to be replaced.
        """
        place = self._room_for(path, replace=replace)
        try:
            os.unlink(place)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            if not replace:
                raise _folder_in_the_way(path) from None
            self._drop(path)
        return place

    def create(self, path: str, *, mode: int = 0o600, replace: bool = False) -> int:
        """A new, empty file to write to; otherwise as `clear`. The caller closes it.

        mode: as far as the umask lets it be, and without set-id bits, which writing would take away.
        """
        place = self._room_for(path, replace=replace)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(place, flags, mode & 0o777)
        except FileExistsError:
            self.clear(path, replace=replace)
            return os.open(place, flags, mode & 0o777)

    def remove(self, path: str) -> None:
        """Take away what is at the path, in this layer and in those below."""
        if self.stat(path) is None:
            return
        parent = path.rpartition("/")[0]
        self.open_folder(parent)
        if os.path.lexists(self.place(path)):
            self._drop(path)
        if parent not in self._alone and self._base.stat(path) is not None:
            os.mknod(self.place(path), stat.S_IFCHR, os.makedev(0, 0))

    def _room_for(self, path: str, *, replace: bool) -> str:
        parent = path.rpartition("/")[0]
        if not path:
            raise _folder_in_the_way("")
        if parent not in self._folders:
            self.open_folder(parent)
        if not replace and parent not in self._alone and path not in self._folders:
            below = self._base.stat(path)
            if below is not None and stat.S_ISDIR(below.st_mode) and not os.path.lexists(self.place(path)):
                raise _folder_in_the_way(path)
        return self.place(path)

    def _drop(self, path: str) -> None:
        """Remove from this layer only."""
        remove_tree(self.place(path))
        if path in self._folders:
            gone = {folder for folder in self._folders if folder == path or folder.startswith(path + "/")}
            self._folders -= gone
            self._alone -= gone
            for folder in gone & self._times.keys():
                del self._times[folder]

    def _hidden(self, path: str) -> bool:
        """Whether this layer hides what lower layers have in a folder that it does not have itself."""
        while path not in self._folders:
            inner, path = path, path.rpartition("/")[0]
            if path in self._folders:
                return path in self._alone or os.path.lexists(self.place(inner))
        return path in self._alone

    def _copy_root(self) -> None:
        found = self._base.stat("")
        if found is None:
            self._alone.add("")
        else:
            self._copy_metadata("", found, self._upper)

    def _copy_metadata(self, path: str, found: os.stat_result, place: str) -> None:
        set_owner(place, (found.st_uid, found.st_gid))
        with self._base.directory(path) as folder:
            set_xattrs(place, folder.xattrs(""))
        os.chmod(place, stat.S_IMODE(found.st_mode))
        os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))


def set_owner(place: str | int, owner: Owner) -> None:
    """chown of a file or folder, where the machine can express it; where there is one id, owners are remembered."""
    if remembering():
        mode = os.stat(place).st_mode if isinstance(place, int) else os.lstat(place).st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            remember(place, (*owner, 0, 0), mode)
        return
    try:
        if isinstance(place, int):
            os.fchown(place, *owner)
        else:
            os.chown(place, *owner, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_MAPPED:
            raise


def _folder_in_the_way(path: str) -> LlbuildError:
    return LlbuildError(f"cannot replace the folder /{path} with a file")
