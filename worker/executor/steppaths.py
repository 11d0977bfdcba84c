"""Where the paths of a step's calls lead, for a process beside it.

Nothing is looked up in place of the step: the working folder is a /proc in which its processes have the numbers that
the kernel tells of them, and "12/cwd/x" is what process 12 means by "x"; the root is the step's. A number may be given
away to another process when its owner has ended. So whoever acts first opens what the path leads to, then asks
whether the caller still waits for its answer (`Listener.waits`), and then acts on what is open.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from .notified import Call, Listener

__all__ = ["AT_EMPTY_PATH", "AT_FDCWD", "StepPaths", "of_fd", "opened", "signed"]

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
_OWN_FILES = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}
_FD_FOLDERS = (b"/proc/self/fd/", b"/dev/fd/")


class StepPaths:
    """Paths as the step's processes see them. In a `with` of `as_seen_by`, absolute ones are the caller's."""

    def __init__(self, listener: Listener, root: int, proc: int) -> None:
        """root: the step's, and proc: the /proc described above, as open folders."""
        self._listener = listener
        self._root = root
        self._proc = proc
        self._left = False  # whether some process of the step may have another root, or other mounts or ids
        self._caller: Call | None = None
        self._inside = False

    def leave(self) -> None:
        """From now on some process may see things differently than the step's first one."""
        self._left = True

    def of_another_world(self, call: Call) -> bool:
        """Whether the caller is in a user namespace of its own making, where the kernel knows who is who."""
        return self._left and not os.path.samestat(os.stat(b"%d/ns/user" % call.pid), os.stat(b"self/ns/user"))

    def place(self, call: Call, folder: int, address: int, *, empty: bool = False) -> bytes:
        """The path that a call has at an address of the caller's memory, relative to one of its folders."""
        path = self._listener.read_path(call, address)
        if not path:
            if not empty:
                raise OSError(errno.ENOENT, "empty path")
            return of_fd(call, folder) if folder != AT_FDCWD else b"%d/cwd" % call.pid
        if path.startswith(b"/"):
            number = _OWN_FILES.get(path)
            if number is not None:
                return of_fd(call, number)
            for above in _FD_FOLDERS:
                if path.startswith(above) and path[len(above) :].isdigit():
                    return of_fd(call, int(path[len(above) :]))
            return path
        return b"%d/cwd/%b" % (call.pid, path) if folder == AT_FDCWD else of_fd(call, folder) + b"/" + path

    def open(self, call: Call, path: bytes, *, follow: bool) -> int:
        """What is there, as a descriptor: from then on nobody can swap it."""
        with self.as_seen_by(call):
            return os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))

    def open_folder_of(self, call: Call, path: bytes) -> tuple[int, bytes]:
        """The folder that a path's last name is in, likewise, and that name."""
        above, _, name = path.rstrip(b"/").rpartition(b"/")
        if name in (b"", b".", b".."):
            raise OSError(errno.EISDIR, "is a folder")
        with self.as_seen_by(call):
            return os.open(above or b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), name

    def as_seen_by(self, call: Call) -> Self:
        self._caller = call
        return self

    def __enter__(self) -> Self:
        call = self._caller
        if self._left and call is not None:
            roots = os.stat(b"%d/root" % call.pid), os.stat(self._root)
            mounts = os.stat(b"%d/ns/mnt" % call.pid), os.stat(b"self/ns/mnt")
            if not (os.path.samestat(*roots) and os.path.samestat(*mounts)):
                os.chroot(b"%d/root" % call.pid)
                self._inside = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._inside:
            self._inside = False
            os.fchdir(self._root)
            os.chroot(b".")
            os.fchdir(self._proc)


def of_fd(call: Call, fd: int) -> bytes:
    """What the caller has open under that number."""
    return b"%d/fd/%d" % (call.pid, fd & 0xFFFF_FFFF)


def opened(fd: int) -> bytes:
    """What this process has open, by a path: most calls take nothing else."""
    return b"self/fd/%d" % fd


def signed(number: int) -> int:
    """An int of the caller's, which the kernel hands over as 64 bits."""
    low = number & 0xFFFF_FFFF
    return low - (1 << 32) if low >> 31 else low
