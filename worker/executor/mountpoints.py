"""Mount points inside an image: found without leaving it, made when missing, and removed again.

What a step's layer holds must be what the step wrote. A mount point that had to be made is not, nor are
the parents made for it, nor a folder of a lower layer that overlayfs copied up only because of that. `find` notes
all three; when the step is over, `remove` takes them back wherever the step did not touch them.
"""

from __future__ import annotations

import errno
import os
import stat

from .. import syscalls
from .failure import SetupError, explained
from .inroot import find, open_path

__all__ = ["MountPoints", "remove"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FUSE_MARKS = [b".wh..opq", b".wh..wh..opq"]  # which fuse-overlayfs leaves in every folder that it makes


class MountPoints:
    """Finds mount points in the root this process has pivoted into."""

    def __init__(self) -> None:
        self._upper = -1
        self.made: list[bytes] = []  # in the order they were made
        self.copied: list[tuple[bytes, int]] = []  # folders copied up only to hold mount points; change times, ns

    def use(self, upper: bytes) -> None:
        """Call it before the root changes; b"" is a root nothing can be made in."""
        if upper:
            self._upper = os.open(upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def find(self, dest: bytes, *, folder: bool) -> int:
        """The mount point as a descriptor; links are followed within the root, what is missing is made."""
        return find(dest, lambda parent, name, last: self._make(parent, name, folder=folder or not last))

    def note_times(self) -> None:
        """Remember when each of `copied` last changed: call it when all are made and nothing else has run."""
        self.copied = [(path, os.stat(b"/" + path).st_ctime_ns) for path, _ in self.copied]

    def _make(self, parent: bytes, name: bytes, *, folder: bool) -> None:
        path = parent + b"/" + name if parent else name
        if self._upper < 0:
            raise SetupError(f"mount point /{os.fsdecode(path)} does not exist, and the root is read-only")
        self._note_copy_up(parent)
        fd = open_path(parent, _FOLDER)
        try:
            before = os.fstat(fd)
            if folder:
                os.mkdir(name, 0o755, dir_fd=fd)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=fd))
            os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        except OSError as exc:
            raise explained(f"cannot make mount point /{os.fsdecode(path)}", exc) from exc
        finally:
            os.close(fd)
        self.made.append(path)

    def _note_copy_up(self, parent: bytes) -> None:
        """Remember the folders of lower layers that are about to appear in the upper one, top ones first."""
        parts = parent.split(b"/") if parent else []
        for depth in range(1, len(parts) + 1):
            path = b"/".join(parts[:depth])
            known = path in self.made or any(path == other for other, _ in self.copied)
            if not known and not _is_in(self._upper, path):
                self.copied.append((path, 0))


def remove(upper: bytes, made: list[bytes], copied: list[tuple[bytes, int]]) -> None:
    """Take back what `find` made in `upper`, as far as the step left it alone. It no longer runs."""
    root = os.open(upper, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Any change to a folder (entries, mode, owner, xattrs) shows in its change time, which nothing can set.
        # Look before removing anything: that changes the time too.
        untouched = [path for path, changed in copied if _changed_at(root, path) == changed]
        for path in [*reversed(made), *reversed(untouched)]:
            _remove_if_empty(root, path)
    finally:
        os.close(root)


def _remove_if_empty(root: int, path: bytes) -> None:
    parent, _, name = path.rpartition(b"/")
    try:
        fd = _open_in(root, parent, _FOLDER)
    except OSError:
        return  # the step replaced or removed it
    try:
        before = os.fstat(fd)
        entry = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(entry.st_mode):
            _clear_marks(fd, name)
            os.rmdir(name, dir_fd=fd)
        elif stat.S_ISREG(entry.st_mode) and entry.st_size == 0:
            os.unlink(name, dir_fd=fd)
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
    finally:
        os.close(fd)


def _clear_marks(parent: int, name: bytes) -> None:
    """Empty a folder that holds nothing but marks."""
    fd = os.open(name, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found = [os.fsencode(entry) for entry in os.listdir(fd)]
        if found and set(found) <= set(_FUSE_MARKS):
            for mark in found:
                os.unlink(mark, dir_fd=fd)
    finally:
        os.close(fd)


def _open_in(folder: int, path: bytes, flags: int) -> int:
    resolve = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_XDEV
    return syscalls.openat2(path or b".", flags, dir_fd=folder, resolve=resolve)


def _is_in(folder: int, path: bytes) -> bool:
    try:
        os.close(_open_in(folder, path, os.O_PATH))
    except OSError:
        return False
    return True


def _changed_at(root: int, path: bytes) -> int:
    try:
        fd = _open_in(root, path, _FOLDER)
    except OSError:
        return -1
    try:
        return os.fstat(fd).st_ctime_ns
    finally:
        os.close(fd)
