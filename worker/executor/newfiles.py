"""Calls that make files, where there is one id: what is made belongs to whoever makes it.

Mostly that is root, in folders that hand no group on, and the kernel goes on by itself. Else the file is made here,
with the step's rights, and its owner noted.
"""

from __future__ import annotations

import os
import stat
import struct

from ..owners import recall, remember
from .notified import CONTINUE
from .steppaths import AT_FDCWD, opened, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .credentials import Ids
    from .notified import Call, Listener
    from .ownedfiles import OwnedFiles
    from .steppaths import StepPaths

__all__ = ["NewFiles"]

_O_TMPFILE = getattr(os, "O_TMPFILE", 0x41_0000)
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_HOW_BYTES = 24  # flags, mode, resolve: openat2(2)


class NewFiles:
    """Each call's method returns its result, or CONTINUE; errors are raised as OSError."""

    def __init__(self, listener: Listener, paths: StepPaths, files: OwnedFiles, ids_of: Callable[[Call], Ids]) -> None:
        self._listener = listener
        self._paths = paths
        self._files = files
        self._ids_of = ids_of
        self.calls: dict[str, Callable[[Call], object]] = {
            "creat": lambda call: self._open(
                call, AT_FDCWD, call.args[0], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, call.args[1]
            ),
            "open": lambda call: self._open(call, AT_FDCWD, *call.args[:3]),
            "openat": lambda call: self._open(call, signed(call.args[0]), *call.args[1:4]),
            "openat2": self._openat2,
            "mkdir": lambda call: self._make(call, AT_FDCWD, call.args[0], stat.S_IFDIR | call.args[1] & 0o7777),
            "mkdirat": lambda call: self._make(
                call, signed(call.args[0]), call.args[1], stat.S_IFDIR | call.args[2] & 0o7777
            ),
            "mknod": lambda call: self._make(call, AT_FDCWD, *call.args[:3]),
            "mknodat": lambda call: self._make(call, signed(call.args[0]), *call.args[1:4]),
            "symlink": lambda call: self._symlink(call, call.args[0], AT_FDCWD, call.args[1]),
            "symlinkat": lambda call: self._symlink(call, call.args[0], signed(call.args[1]), call.args[2]),
        }

    def _is_roots(self, call: Call, above: bytes) -> bool:
        """Whether what the caller makes in that folder belongs to root."""
        if self._ids_of(call).made_by_root:
            with self._paths.as_seen_by(call):
                return recall(above, follow=True) is None  # else it may hand on its group
        return False

    def _owner_in(self, call: Call, folder: int) -> tuple[int, int]:
        """Of what the caller makes in an open folder: the caller's, or the group of one that hands its own on."""
        ids = self._ids_of(call)
        uid, gid = ids.uids[3], ids.gids[3]
        known = recall(opened(folder), follow=True)
        if known is not None and os.stat(opened(folder)).st_mode & stat.S_ISGID:
            gid = known[1]
        return uid, gid

    def _open(self, call: Call, folder: int, address: int, flags: int, mode: int) -> object:
        """open(2) that may make a file. It is made here; opening it is left to the kernel, unless it has to be new:
        then the caller gets what was opened here."""
        nameless = flags & _O_TMPFILE == _O_TMPFILE
        if not flags & os.O_CREAT and not nameless:
            return CONTINUE
        path = self._paths.place(call, folder, address)
        above = path if nameless else path.rpartition(b"/")[0] or b"/"
        if not self._files.links.files and self._is_roots(call, above):
            return CONTINUE
        if nameless:
            place, name = self._paths.open(call, path, follow=True), b""
        else:
            place, name = self._paths.open_folder_of(call, path)
        try:
            return self._open_in(call, place, name, flags, mode)
        finally:
            os.close(place)

    def _open_in(self, call: Call, folder: int, name: bytes, flags: int, mode: int) -> object:
        path = opened(folder) + (b"/" + name if name else b"")
        owner = self._owner_in(call, folder)
        umask = self._umask_of(call)
        if (name and os.path.lexists(path)) or not self._listener.waits(call):
            return CONTINUE
        must_be_new = not name or bool(flags & os.O_EXCL)
        before = os.umask(umask)
        try:
            fd = os.open(path, flags | os.O_CLOEXEC if must_be_new else _NEW | os.O_WRONLY, mode & 0o7777)
        except FileExistsError:  # another was faster
            return CONTINUE
        finally:
            os.umask(before)
        try:
            self._files.remember(opened(fd), os.stat(fd), owner)
            if not must_be_new:
                return CONTINUE
            return self._listener.give(call, fd, close_on_exec=bool(flags & os.O_CLOEXEC))
        finally:
            os.close(fd)

    def _openat2(self, call: Call) -> object:
        folder, address, how, size = call.args[:4]
        if size < _OPEN_HOW_BYTES:
            return CONTINUE
        flags, mode, resolve = struct.unpack("=QQQ", self._listener.read(call, how, _OPEN_HOW_BYTES))
        if resolve:
            return CONTINUE  # which way the path is walked is the kernel's to decide
        return self._open(call, signed(folder), address, flags, mode)

    def _make(self, call: Call, folder: int, address: int, mode: int, device: int = 0) -> object:
        """mkdir(2), mknod(2)."""
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        if is_device and (device == 0 or not self._ids_of(call).privileged):
            return CONTINUE  # to be refused; 0/0 would be a deletion
        path = self._paths.place(call, folder, address)
        above = path.rstrip(b"/").rpartition(b"/")[0] or b"/"
        if not is_device and not self._files.links and self._is_roots(call, above):
            return CONTINUE
        place, name = self._paths.open_folder_of(call, path)
        try:
            owner, umask = self._owner_in(call, place), self._umask_of(call)
            if not self._listener.waits(call):
                return CONTINUE
            path = opened(place) + b"/" + name
            before = os.umask(umask)
            try:
                if kind == stat.S_IFDIR:
                    os.mkdir(path, mode & 0o7777)
                elif is_device:
                    os.close(os.open(path, _NEW | os.O_WRONLY, mode & 0o7777))
                else:
                    os.mknod(path, kind | mode & 0o7777)
            finally:
                os.umask(before)
            self._note(path, owner, (kind, _device(device)) if is_device else None)
        finally:
            os.close(place)
        return 0

    def _symlink(self, call: Call, text: int, folder: int, address: int) -> object:
        path = self._paths.place(call, folder, address)
        if not self._files.links and self._is_roots(call, path.rstrip(b"/").rpartition(b"/")[0] or b"/"):
            return CONTINUE
        target = self._listener.read_path(call, text)
        place, name = self._paths.open_folder_of(call, path)
        try:
            owner = self._owner_in(call, place)
            if not self._listener.waits(call):
                return CONTINUE
            path = opened(place) + b"/" + name
            os.symlink(target, path)
            self._note(path, owner, None)
        finally:
            os.close(place)
        return 0

    def _note(self, path: bytes, owner: tuple[int, int], device: tuple[int, int] | None) -> None:
        """Whom something new belongs to: also root, since its number may have been that of another."""
        made = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.stat(opened(made))
            if device is None:
                self._files.remember(opened(made), found, owner)
            else:
                remember(opened(made), (*owner, *device), found.st_mode)
        finally:
            os.close(made)

    def _umask_of(self, call: Call) -> int:
        with open(b"%d/status" % call.pid, "rb", buffering=0) as file:
            text = file.read(4096)
        return int(text.partition(b"Umask:")[2].split(None, 1)[0], 8)


def _device(number: int) -> int:
    """A device as mknod(2) takes it, 32 bits (new_encode_dev), as st_rdev."""
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | (number >> 12) & 0xFFF00
    return os.makedev(major, minor)
