"""Calls about owners, answered as if all of them existed: chown and stat, where there is one id.

How owners are remembered: owners.py. Where paths lead: steppaths.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

from ..owners import ATTRIBUTE, decode, line_of, of_inode, recall, remember
from .notified import CONTINUE
from .steppaths import AT_EMPTY_PATH, AT_FDCWD, of_fd, opened, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..owners import Meant, Owners
    from .credentials import Ids
    from .notified import Call, Listener
    from .steppaths import StepPaths

__all__ = ["Links", "OwnedFiles"]

_AT_SYMLINK_NOFOLLOW = 0x100
_LEAVE = 0xFFFF_FFFF
_NEWFSTATAT = {"x86_64": 262}
_STATX = {"x86_64": 332}
_GENERIC_NEWFSTATAT, _GENERIC_STATX = 79, 291
_STAT_BYTES, _STATX_BYTES = 144, 256  # the larger one, of x86-64; linux/stat.h
# Where st_mode, st_uid, st_gid and st_rdev are in struct stat (arch/x86, asm-generic), and how wide the last is.
_STAT_FIELDS = {"x86_64": (24, 28, 32, 40)}
_GENERIC_STAT_FIELDS = (16, 24, 28, 32)
_STATX_FIELDS = (28, 20, 24, 128)  # stx_mode (16 bits), stx_uid, stx_gid, stx_rdev_major and _minor

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
    """Whom files belong to. Each call's method returns its result, or CONTINUE; errors are raised as OSError."""

    def __init__(self, listener: Listener, paths: StepPaths, links: Links, ids_of: Callable[[Call], Ids]) -> None:
        self._listener = listener
        self._paths = paths
        self.links = links
        self._ids_of = ids_of
        machine = os.uname().machine
        self._newfstatat = _NEWFSTATAT.get(machine, _GENERIC_NEWFSTATAT)
        self._statx_number = _STATX.get(machine, _GENERIC_STATX)
        self._fields = _STAT_FIELDS.get(machine, _GENERIC_STAT_FIELDS)
        self._stat_bytes = _STAT_BYTES if machine in _STAT_FIELDS else 128
        self._answer = ctypes.create_string_buffer(_STATX_BYTES)
        self.calls: dict[str, Callable[[Call], object]] = {
            "chown": lambda call: self._chown(call, AT_FDCWD, call.args[0], call.args[1:3]),
            "lchown": lambda call: self._chown(call, AT_FDCWD, call.args[0], call.args[1:3], follow=False),
            "fchown": lambda call: self._change_owner(call, of_fd(call, call.args[0]), call.args[1:3], follow=True),
            "fchownat": self._fchownat,
            "stat": lambda call: self._stat(call, AT_FDCWD, call.args[0], call.args[1], 0),
            "lstat": lambda call: self._stat(call, AT_FDCWD, call.args[0], call.args[1], _AT_SYMLINK_NOFOLLOW),
            "fstat": lambda call: self._answer_stat(call, of_fd(call, call.args[0]), call.args[1], 0),
            "newfstatat": lambda call: self._stat(call, signed(call.args[0]), *call.args[1:4]),
            "statx": self._statx,
        }

    # --- owners

    def _fchownat(self, call: Call) -> object:
        flags = call.args[4]
        return self._chown(
            call,
            signed(call.args[0]),
            call.args[1],
            call.args[2:4],
            follow=not flags & _AT_SYMLINK_NOFOLLOW,
            empty=bool(flags & AT_EMPTY_PATH),
        )

    def _chown(
        self, call: Call, folder: int, address: int, owner: list[int], *, follow: bool = True, empty: bool = False
    ) -> object:
        path = self._paths.place(call, folder, address, empty=empty)
        return self._change_owner(call, path, owner, follow=follow)

    def _change_owner(self, call: Call, path: bytes, owner: list[int], *, follow: bool) -> object:
        uid, gid = (number & _LEAVE for number in owner)
        place = self._paths.open(call, path, follow=follow)
        try:
            here = opened(place)
            now = self._owner(here, os.stat(here))
            new = (now[0] if uid == _LEAVE else uid, now[1] if gid == _LEAVE else gid)
            _check_right(self._ids_of(call), now, new, uid_given=uid != _LEAVE)
            if not self._listener.waits(call):
                return 0
            # The rest of what chown(2) does: copying up, the change time, taking away set-id bits and capabilities.
            os.chown(here, -1 if uid == _LEAVE else 0, -1 if gid == _LEAVE else 0)
            self.remember(here, os.stat(here), new)
        finally:
            os.close(place)
        return 0

    def _owner(self, here: bytes, found: os.stat_result) -> Meant:
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            known = recall(here, follow=True)
            if known is not None or not self.links.files:
                return known or (0, 0, 0, 0)
        return self.links.look_up(found) or (0, 0, 0, 0)

    def remember(self, here: bytes, found: os.stat_result, owner: tuple[int, int]) -> None:
        """Note the owner of something of any kind; `here` is a descriptor's path (`opened`)."""
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            _, _, kind, device = self._owner(here, found)
            if not remember(here, (*owner, kind, device), found.st_mode):
                self.links.files = True
                self.links.note(found, os.readlink(here), *owner)
        elif stat.S_IFMT(found.st_mode) in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK):
            self.links.note(found, os.readlink(here), *owner)

    # --- stat

    def _stat(self, call: Call, folder: int, address: int, target: int, flags: int) -> object:
        path = self._paths.place(call, folder, address, empty=bool(flags & AT_EMPTY_PATH))
        return self._answer_stat(call, path, target, flags & _AT_SYMLINK_NOFOLLOW)

    def _statx(self, call: Call) -> object:
        folder, address, flags, mask, target = call.args[:5]
        path = self._paths.place(call, signed(folder), address, empty=bool(flags & AT_EMPTY_PATH))
        return self._answer_stat(call, path, target, flags & ~AT_EMPTY_PATH, mask=mask)

    def _answer_stat(self, call: Call, path: bytes, target: int, flags: int, mask: int = -1) -> object:
        """mask: of statx(2). Where nothing is remembered, which is mostly, the kernel goes on by itself."""
        follow = not flags & _AT_SYMLINK_NOFOLLOW
        with self._paths.as_seen_by(call):
            try:
                owner = decode(os.getxattr(path, ATTRIBUTE, follow_symlinks=follow))
            except OSError:
                owner = None
                if self.links:
                    owner = self.links.look_up(os.stat(path, follow_symlinks=follow))
            if owner is None:
                return CONTINUE
            if mask < 0:
                size, fields = self._stat_bytes, self._fields
                self._ask(self._newfstatat, AT_FDCWD, path, flags)
            else:
                size, fields = _STATX_BYTES, _STATX_FIELDS
                self._ask(self._statx_number, AT_FDCWD, path, flags, mask)
        self._patch(owner, fields, wide=mask < 0)
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


def _check_right(ids: Ids, now: Meant, new: tuple[int, int], *, uid_given: bool) -> None:
    """Raises OSError where chown(2) would not be permitted to these ids: only root gives away."""
    if ids.privileged:
        return
    own = ids.uids[3] == now[0]
    if not own or (uid_given and new[0] != now[0]) or (new[1] != now[1] and not ids.in_group(new[1])):
        raise OSError(errno.EPERM, "not permitted")
