"""Calls about files, answered as if every owner existed: chown, stat, and making files, where there is one id.

What is done to files is done here, by a process in the step's root with the step's rights: a path leads where it leads
the step. The working folder is a /proc in which the step's processes have the numbers that the kernel tells of
them: "12/cwd/x" is what process 12 means by "x". How owners are remembered: owners.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

from ..owners import ATTRIBUTE, decode, line_of, of_inode, recall, remember
from .notified import CONTINUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..owners import Meant, Owners
    from .credentials import Ids
    from .notified import Call, Listener

__all__ = ["OwnedFiles"]

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_LEAVE = 0xFFFF_FFFF
_O_TMPFILE = 0x41_0000 if not hasattr(os, "O_TMPFILE") else os.O_TMPFILE
_NEWFSTATAT = {"x86_64": 262}
_STATX = {"x86_64": 332}
_GENERIC_NEWFSTATAT, _GENERIC_STATX = 79, 291
_STAT_BYTES, _STATX_BYTES = 144, 256  # the larger one, of x86-64; linux/stat.h
# Where st_mode, st_uid, st_gid and st_rdev are in struct stat (arch/x86, asm-generic), and how wide the last is.
_STAT_FIELDS = {"x86_64": (24, 28, 32, 40)}
_GENERIC_STAT_FIELDS = (16, 24, 28, 32)
_STATX_FIELDS = (28, 20, 24, 128)  # stx_mode (16 bits), stx_uid, stx_gid, stx_rdev_major and _minor
_OWN_FILES = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}
_FD_FOLDERS = (b"/proc/self/fd/", b"/dev/fd/")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Links:
    """Owners of links, fifos and sockets: those of the layers below, and what is noted for the step's own.

    files: whether files are among them too, since fuse-overlayfs does not let them have the attribute.
    """

    def __init__(self, known: Owners, layer: int, upper: int) -> None:
        """known: by inode number. layer, upper: the folders of the layer and its content, or -1: nothing is noted."""
        self._known = known
        self._layer = layer
        self._upper = upper
        self._device = os.stat(b"/").st_dev
        self.files = False

    def __bool__(self) -> bool:
        return bool(self._known)

    def look_up(self, found: os.stat_result) -> Meant | None:
        return of_inode(self._known, found) if found.st_dev == self._device else None

    def note(self, found: os.stat_result, path: bytes, uid: int, gid: int) -> None:
        """found: as the step sees it. path: where it is, from the root."""
        if self._upper < 0 or found.st_dev != self._device:
            return
        if (of_inode(self._known, found) or (0, 0))[:2] == (uid, gid):
            return
        self._known[found.st_ino] = uid, gid, stat.S_IFMT(found.st_mode)
        try:  # what overlayfs copied up has another number in the layer than the step sees
            inode = os.stat(path.lstrip(b"/"), dir_fd=self._upper, follow_symlinks=False).st_ino
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(b"owners", flags, 0o644, dir_fd=self._layer)
        except OSError:
            return
        os.write(fd, line_of(inode, uid, gid, found.st_mode))
        os.close(fd)


class OwnedFiles:
    """The answers. Each method takes a call and returns its result, or CONTINUE; errors are raised as OSError."""

    def __init__(self, listener: Listener, links: Links, ids_of: Callable[[Call], Ids], root: int, proc: int) -> None:
        """root: the step's, and proc: the /proc described above, as open folders."""
        self._listener = listener
        self._links = links
        self._ids_of = ids_of
        self._root = root
        self._proc = proc
        self._entered = False  # whether some process of the step may have changed its root
        machine = os.uname().machine
        self._newfstatat = _NEWFSTATAT.get(machine, _GENERIC_NEWFSTATAT)
        self._statx_number = _STATX.get(machine, _GENERIC_STATX)
        self._fields = _STAT_FIELDS.get(machine, _GENERIC_STAT_FIELDS)
        self._stat_bytes = _STAT_BYTES if machine in _STAT_FIELDS else 128
        self._answer = ctypes.create_string_buffer(_STATX_BYTES)
        self.calls: dict[str, Callable[[Call], object]] = {
            "chown": lambda call: self._chown(call, _AT_FDCWD, call.args[0], call.args[1:3]),
            "lchown": lambda call: self._chown(call, _AT_FDCWD, call.args[0], call.args[1:3], follow=False),
            "fchown": lambda call: self._change_owner(call, _of_fd(call, call.args[0]), call.args[1:3], follow=True),
            "fchownat": self._fchownat,
            "chroot": self._leave_root,
            "unshare": self._leave_root,
            "clone": self._leave_root,
            "setns": self._leave_root,
            "stat": lambda call: self._stat(call, _AT_FDCWD, call.args[0], call.args[1], 0),
            "lstat": lambda call: self._stat(call, _AT_FDCWD, call.args[0], call.args[1], _AT_SYMLINK_NOFOLLOW),
            "fstat": lambda call: self._answer_stat(call, _of_fd(call, call.args[0]), call.args[1], 0),
            "newfstatat": lambda call: self._stat(call, _signed(call.args[0]), *call.args[1:4]),
            "statx": self._statx,
            "creat": lambda call: self._open(
                call, _AT_FDCWD, call.args[0], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, call.args[1]
            ),
            "open": lambda call: self._open(call, _AT_FDCWD, *call.args[:3]),
            "openat": lambda call: self._open(call, _signed(call.args[0]), *call.args[1:4]),
            "openat2": self._openat2,
            "mkdir": lambda call: self._make(call, _AT_FDCWD, call.args[0], stat.S_IFDIR | call.args[1] & 0o7777),
            "mkdirat": lambda call: self._make(
                call, _signed(call.args[0]), call.args[1], stat.S_IFDIR | call.args[2] & 0o7777
            ),
            "mknod": lambda call: self._make(call, _AT_FDCWD, call.args[0], call.args[1], call.args[2]),
            "mknodat": lambda call: self._make(call, _signed(call.args[0]), *call.args[1:4]),
            "symlink": lambda call: self._symlink(call, call.args[0], _AT_FDCWD, call.args[1]),
            "symlinkat": lambda call: self._symlink(call, call.args[0], _signed(call.args[1]), call.args[2]),
        }

    # --- where a path leads

    def _place(self, call: Call, folder: int, address: int, *, empty: bool = False) -> bytes:
        path = self._listener.read_path(call, address)
        if not path:
            if not empty:
                raise OSError(errno.ENOENT, "empty path")
            return _of_fd(call, folder) if folder != _AT_FDCWD else b"%d/cwd" % call.pid
        if path.startswith(b"/"):
            number = _OWN_FILES.get(path)
            if number is not None:
                return _of_fd(call, number)
            for above in _FD_FOLDERS:
                if path.startswith(above) and path[len(above) :].isdigit():
                    return _of_fd(call, int(path[len(above) :]))
            return path
        return b"%d/cwd/%b" % (call.pid, path) if folder == _AT_FDCWD else _of_fd(call, folder) + b"/" + path

    def _in_root_of(self, call: Call) -> bool:
        """See paths as the caller does, who may have changed its root; says whether that was needed."""
        if not self._entered:
            return False
        theirs, ours = os.stat(b"%d/root" % call.pid), os.stat(self._root)
        mounts = os.stat(b"%d/ns/mnt" % call.pid), os.stat(b"self/ns/mnt")
        if os.path.samestat(theirs, ours) and os.path.samestat(*mounts):
            return False
        os.chroot(b"%d/root" % call.pid)
        return True

    def _back(self) -> None:
        os.fchdir(self._root)
        os.chroot(b".")
        os.fchdir(self._proc)

    def _leave_root(self, _call: Call) -> object:
        self._entered = True
        return CONTINUE

    def of_another_world(self, call: Call) -> bool:
        """Whether the caller is in a user namespace of its own making, where the kernel knows who is who."""
        return self._entered and not os.path.samestat(os.stat(b"%d/ns/user" % call.pid), os.stat(b"self/ns/user"))

    def _open_place(self, call: Call, path: bytes, *, follow: bool) -> int:
        """What is there, as a descriptor of ours: from then on nobody can swap it."""
        flags = os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        entered = self._in_root_of(call)
        try:
            return os.open(path, flags)
        finally:
            if entered:
                self._back()

    # --- owners

    def _fchownat(self, call: Call) -> object:
        flags = call.args[4]
        return self._chown(
            call,
            _signed(call.args[0]),
            call.args[1],
            call.args[2:4],
            follow=not flags & _AT_SYMLINK_NOFOLLOW,
            empty=bool(flags & _AT_EMPTY_PATH),
        )

    def _chown(
        self, call: Call, folder: int, address: int, owner: list[int], *, follow: bool = True, empty: bool = False
    ) -> object:
        path = self._place(call, folder, address, empty=empty)
        return self._change_owner(call, path, owner, follow=follow)

    def _change_owner(self, call: Call, path: bytes, owner: list[int], *, follow: bool) -> object:
        uid, gid = (number & _LEAVE for number in owner)
        if not self._listener.waits(call):
            return 0
        place = self._open_place(call, path, follow=follow)
        try:
            here = b"self/fd/%d" % place
            found = os.stat(here)
            now = self._owner(here, found)
            new = (now[0] if uid == _LEAVE else uid, now[1] if gid == _LEAVE else gid)
            _check_right(self._ids_of(call), now, new, uid_given=uid != _LEAVE)
            # The rest of what chown(2) does: copying up, the change time, taking away set-id bits and capabilities.
            os.chown(here, -1 if uid == _LEAVE else 0, -1 if gid == _LEAVE else 0)
            self._remember(here, os.stat(here), new)
        finally:
            os.close(place)
        return 0

    def _owner(self, here: bytes, found: os.stat_result) -> Meant:
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            known = recall(here, follow=True)
            if known is not None or not self._links.files:
                return known or (0, 0, 0, 0)
        return self._links.look_up(found) or (0, 0, 0, 0)

    def _remember(self, here: bytes, found: os.stat_result, owner: tuple[int, int]) -> None:
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            _, _, kind, device = self._owner(here, found)
            if not remember(here, (*owner, kind, device), found.st_mode):
                self._links.files = True
                self._links.note(found, os.readlink(here), *owner)
        elif stat.S_IFMT(found.st_mode) in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK):
            self._links.note(found, os.readlink(here), *owner)

    # --- stat

    def _stat(self, call: Call, folder: int, address: int, target: int, flags: int) -> object:
        path = self._place(call, folder, address, empty=bool(flags & _AT_EMPTY_PATH))
        return self._answer_stat(call, path, target, flags & _AT_SYMLINK_NOFOLLOW)

    def _statx(self, call: Call) -> object:
        folder, address, flags, mask, target = call.args[:5]
        path = self._place(call, _signed(folder), address, empty=bool(flags & _AT_EMPTY_PATH))
        return self._answer_stat(call, path, target, flags & ~_AT_EMPTY_PATH, mask=mask)

    def _answer_stat(self, call: Call, path: bytes, target: int, flags: int, mask: int = -1) -> object:
        """mask: of statx(2). Where nothing is remembered, which is mostly, the kernel goes on by itself."""
        follow = not flags & _AT_SYMLINK_NOFOLLOW
        entered = self._in_root_of(call)
        try:
            try:
                owner = decode(os.getxattr(path, ATTRIBUTE, follow_symlinks=follow))
            except OSError:
                owner = None
                if self._links:
                    owner = self._links.look_up(os.stat(path, follow_symlinks=follow))
            if owner is None:
                return CONTINUE
            if mask < 0:
                size, fields = self._stat_bytes, self._fields
                self._ask(self._newfstatat, _AT_FDCWD, path, flags)
            else:
                size, fields = _STATX_BYTES, _STATX_FIELDS
                self._ask(self._statx_number, _AT_FDCWD, path, flags, mask)
        finally:
            if entered:
                self._back()
        self._patch(owner, fields, wide=mask < 0)
        if self._listener.waits(call):
            self._listener.write(call, target, self._answer.raw[:size])
        return 0

    def _ask(self, number: int, folder: int, path: bytes, flags: int, mask: int | None = None) -> None:
        """newfstatat(2), or statx(2) with a mask, as the kernel answers it."""
        answer = ctypes.byref(self._answer)
        wide = ctypes.c_long
        if mask is None:
            result = _libc.syscall(wide(number), wide(folder), path, answer, wide(flags))
        else:
            result = _libc.syscall(wide(number), wide(folder), path, wide(flags), wide(mask), answer)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def _patch(self, owner: Meant, fields: tuple[int, int, int, int], *, wide: bool) -> None:
        uid, gid, kind, device = owner
        mode_at, uid_at, gid_at, device_at = fields
        struct.pack_into("=I", self._answer, uid_at, uid)
        struct.pack_into("=I", self._answer, gid_at, gid)
        if not kind:
            return
        (mode,) = struct.unpack_from("=H", self._answer, mode_at)
        struct.pack_into("=H", self._answer, mode_at, kind | stat.S_IMODE(mode))
        if wide:
            struct.pack_into("=Q", self._answer, device_at, device)
        else:
            struct.pack_into("=II", self._answer, device_at, os.major(device), os.minor(device))

    # --- making files

    def _new_owner(self, call: Call, path: bytes) -> tuple[int, int]:
        """Of what the caller makes at `path`: the caller's, or the group of a folder that hands its own on."""
        ids = self._ids_of(call)
        uid, gid = ids.uids[3], ids.gids[3]
        above = path.rstrip(b"/").rpartition(b"/")[0] or b"/"
        known = recall(above, follow=True)
        if known is not None and os.stat(above).st_mode & stat.S_ISGID:
            gid = known[1]
        return uid, gid

    def _open(self, call: Call, folder: int, address: int, flags: int, mode: int) -> object:
        """open(2) that may make a file. One that is somebody's is made here; opening it is left to the kernel, but
        where it must be new: then the caller gets what was opened here."""
        if not flags & os.O_CREAT and flags & _O_TMPFILE != _O_TMPFILE:
            return CONTINUE
        path = self._place(call, folder, address)
        entered = self._in_root_of(call)
        try:
            above = path if flags & _O_TMPFILE == _O_TMPFILE else path.rstrip(b"/")
            owner = self._new_owner(call, above + b"/x" if above is path and not flags & os.O_CREAT else above)
            unknown = owner == (0, 0) and not self._links.files
            if unknown or (flags & os.O_CREAT and os.path.lexists(path)) or not self._listener.waits(call):
                return CONTINUE
            exclusive = bool(flags & os.O_EXCL) or not flags & os.O_CREAT
            how = flags if exclusive else os.O_CREAT | os.O_EXCL | os.O_WRONLY
            before = os.umask(self._umask_of(call))
            try:
                fd = os.open(path, how | os.O_CLOEXEC, mode & 0o7777)
            except FileExistsError:
                return CONTINUE
            finally:
                os.umask(before)
        finally:
            if entered:
                self._back()
        try:
            here = b"self/fd/%d" % fd
            self._remember(here, os.stat(here), owner)
            if not exclusive:
                return CONTINUE
            return self._listener.give(call, fd, close_on_exec=bool(flags & os.O_CLOEXEC))
        finally:
            os.close(fd)

    def _openat2(self, call: Call) -> object:
        folder, address, how, size = call.args[:4]
        if size < 24:  # struct open_how: flags, mode, resolve
            return CONTINUE
        flags, mode, resolve = struct.unpack("=QQQ", self._listener.read(call, how, 24))
        if resolve or not flags & os.O_CREAT:
            return CONTINUE  # which way the path is walked is the kernel's to decide
        return self._open(call, _signed(folder), address, flags, mode)

    def _make(self, call: Call, folder: int, address: int, mode: int, device: int = 0) -> object:
        """mkdir(2), mknod(2)."""
        kind = stat.S_IFMT(mode)
        path = self._place(call, folder, address)
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        if is_device and (device == 0 or not self._ids_of(call).privileged):
            return CONTINUE
        entered = self._in_root_of(call)
        try:
            owner = self._new_owner(call, path)
            if (owner == (0, 0) and not is_device and not self._links) or not self._listener.waits(call):
                return CONTINUE
            before = os.umask(self._umask_of(call))
            try:
                if kind == stat.S_IFDIR:
                    os.mkdir(path, mode & 0o7777)
                elif kind in (stat.S_IFREG, 0) or is_device:
                    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
                    os.close(os.open(path, flags, mode & 0o7777))
                else:
                    os.mknod(path, mode)
            finally:
                os.umask(before)
            made = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        finally:
            if entered:
                self._back()
        here = b"self/fd/%d" % made
        if is_device:
            remember(here, (*owner, kind, _device(device)), os.stat(here).st_mode)
        else:
            self._remember(here, os.stat(here), owner)
        os.close(made)
        return 0

    def _symlink(self, call: Call, text: int, folder: int, address: int) -> object:
        target = self._listener.read_path(call, text)
        path = self._place(call, folder, address)
        entered = self._in_root_of(call)
        try:
            owner = self._new_owner(call, path)
            if (owner == (0, 0) and not self._links) or not self._listener.waits(call):
                return CONTINUE
            os.symlink(target, path)
            made = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        finally:
            if entered:
                self._back()
        here = b"self/fd/%d" % made
        self._remember(here, os.stat(here), owner)  # also root's: the number may have been that of another
        os.close(made)
        return 0

    def _umask_of(self, call: Call) -> int:
        with open(b"%d/status" % call.pid, "rb", buffering=0) as file:  # noqa: PTH123  pathlib is not loaded here
            text = file.read(4096)
        return int(text.partition(b"Umask:")[2].split(None, 1)[0], 8)


def _check_right(ids: Ids, now: Meant, new: tuple[int, int], *, uid_given: bool) -> None:
    """Raises OSError where chown(2) would not be permitted to these ids: only root gives away."""
    if ids.privileged:
        return
    own = ids.uids[3] == now[0]
    if not own or (uid_given and new[0] != now[0]) or (new[1] != now[1] and not ids.in_group(new[1])):
        raise OSError(errno.EPERM, "not permitted")


def _of_fd(call: Call, fd: int) -> bytes:
    return b"%d/fd/%d" % (call.pid, fd & 0xFFFF_FFFF)


def _signed(number: int) -> int:
    """An int of the caller's, which the kernel hands over as 64 bits."""
    low = number & 0xFFFF_FFFF
    return low - (1 << 32) if low >> 31 else low


def _device(number: int) -> int:
    """A device as mknod(2) takes it, 32 bits (new_encode_dev), as st_rdev."""
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | (number >> 12) & 0xFFF00
    return os.makedev(major, minor)
