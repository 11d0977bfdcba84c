"""Owners that files cannot have where there is one id: remembered beside them, so that layers say them all the same.

In a user namespace of a single id every file belongs to that id. Whom it is meant to belong to stands

- for files and folders in an extended attribute, `user.containers.override_stat`, as containers/storage and
  fuse-overlayfs write it: "UID:GID:MODE" or "UID:GID:MODE:TYPE", decimal, MODE octal. The mode is that of the moment;
  what counts is the file's own. TYPE is "char-MAJOR-MINOR" or "block-MAJOR-MINOR" of a device, which nobody can make
  there: it is an empty file.
- for links, fifos and sockets, which the kernel lets have no such attribute, and for files where fuse-overlayfs refuses
  it, in the file `owners` of their layer, beside `fs`: "INODE UID GID TYPE" in lines, of which
  the last holds; TYPE is S_IFMT of st_mode, octal.

Nothing of this costs anything where ids are real: `remembering` is false, and nobody asks any further. Used by the
sandbox's helper too, hence so little is imported.
"""

from __future__ import annotations

import errno
import os
import stat

from .idmap import has_single_id
from .overlay import is_whiteout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ATTRIBUTE",
    "LayerOwners",
    "OwnerTable",
    "decode",
    "encode",
    "forget_ids",
    "line_of",
    "make_device",
    "meant",
    "of_inode",
    "recall",
    "remember",
    "remembering",
]

ATTRIBUTE = "user.containers.override_stat"
_TABLE = "owners"
_TYPES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK}
_TYPE_NAMES = {stat.S_IFCHR: "char", stat.S_IFBLK: "block"}
_LONGEST = 64
_IDS = (1 << 32) - 1  # the last one means "leave as it is" to chown(2)
_MAX_TABLE_BYTES = 64 << 20
_NONE = {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL}

Owners = dict[int, tuple[int, int, int]]  # uid, gid and the type's bits of st_mode, by inode number
Meant = tuple[int, int, int, int]  # uid, gid, and of a device the type's bits of st_mode and st_rdev, else 0

_state: dict[str, bool] = {}


def remembering() -> bool:
    """Whether this process lives where there is one id."""
    known = _state.get("single")
    if known is None:
        known = _state["single"] = has_single_id()
    return known


def forget_ids() -> None:
    """To be called by who changes the user namespace: which ids there are is looked up once."""
    _state.clear()


def encode(meant: Meant, mode: int) -> bytes:
    uid, gid, kind, device = meant
    text = f"{uid}:{gid}:{mode & 0o7777:o}"
    if kind:
        text += f":{_TYPE_NAMES[kind]}-{os.major(device)}-{os.minor(device)}"
    return text.encode()


def decode(value: bytes) -> Meant | None:
    """None for what is not of this form, whoever wrote it: then nothing is remembered."""
    if len(value) > _LONGEST or not value.isascii():
        return None
    uid, gid, mode, kind = [*value.decode().split(":"), "", "", ""][:4]
    if not (uid.isdecimal() and gid.isdecimal() and mode.isdecimal() and int(uid) < _IDS > int(gid)):
        return None
    name, *numbers = kind.split("-")
    if name not in _TYPES or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        return int(uid), int(gid), 0, 0
    try:
        device = os.makedev(int(numbers[0]), int(numbers[1]))
    except OverflowError:
        return None
    return int(uid), int(gid), _TYPES[name] if device else 0, device  # 0/0 would be a deletion


def recall(file: str | bytes | int, *, follow: bool = False) -> Meant | None:
    """What is remembered of a file or folder; None when nothing is."""
    try:
        return decode(os.getxattr(file, ATTRIBUTE, follow_symlinks=follow or isinstance(file, int)))
    except OSError:
        return None


def remember(file: str | bytes | int, meant: Meant, mode: int) -> bool:
    """Note whom a file or folder (never a link) is meant to belong to; False where that cannot be noted."""
    try:
        if meant == (0, 0, 0, 0):
            os.removexattr(file, ATTRIBUTE)
        else:
            os.setxattr(file, ATTRIBUTE, encode(meant, mode))
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return meant == (0, 0, 0, 0)
    return True


def make_device(name: str | bytes, found: Meant, mode: int, *, dir_fd: int | None = None) -> None:
    """An empty file that stands for a device."""
    fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, mode & 0o777, dir_fd=dir_fd)
    try:
        os.setxattr(fd, ATTRIBUTE, encode(found, mode))
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def meant(found: os.stat_result, remembered: Meant | None) -> os.stat_result:
    """What a file is meant to be, from what it is."""
    if remembered is None:
        return found
    uid, gid, kind, device = remembered
    fields = list(found[:10])
    if kind:
        fields[0] = kind | stat.S_IMODE(found.st_mode)
    fields[4], fields[5] = uid, gid
    named = {
        "st_atime_ns": found.st_atime_ns,
        "st_mtime_ns": found.st_mtime_ns,
        "st_ctime_ns": found.st_ctime_ns,
        "st_blocks": found.st_blocks,
        "st_blksize": found.st_blksize,
        "st_rdev": device if kind else found.st_rdev,
    }
    return os.stat_result(fields, named)


class OwnerTable:
    """Owners of what can have no attributes, in one layer. For one thread at a time."""

    def __init__(self, content: str | None) -> None:
        """content: the layer's `fs`, whether it is there or not; None: of no layer, everybody's is forgotten."""
        self._path = "" if content is None else os.path.join(os.path.dirname(content.rstrip("/")), _TABLE)
        self._owners: Owners | None = None

    @property
    def owners(self) -> Owners:
        if self._owners is None:
            self._owners = read_owners(self._path)
        return self._owners

    def look_up(self, found: os.stat_result) -> Meant | None:
        return of_inode(self.owners, found)

    def note(self, found: os.stat_result, uid: int, gid: int) -> None:
        if not self._path or (of_inode(self.owners, found) or (0, 0, 0, 0))[:2] == (uid, gid):
            return
        self.owners[found.st_ino] = uid, gid, stat.S_IFMT(found.st_mode)
        fd = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, line_of(found.st_ino, uid, gid, found.st_mode))
        finally:
            os.close(fd)


def of_inode(owners: Owners, found: os.stat_result) -> Meant | None:
    """The owner noted for a file; what has got the number of one that is gone is mostly of another type."""
    known = owners.get(found.st_ino)
    if known is None or known[2] != stat.S_IFMT(found.st_mode):
        return None
    return known[0], known[1], 0, 0


def line_of(inode: int, uid: int, gid: int, mode: int) -> bytes:
    return b"%d %d %d %o\n" % (inode, uid, gid, stat.S_IFMT(mode))


def read_owners(path: str) -> Owners:
    """What a layer's file `owners` says; nothing when there is none, and no line that makes no sense."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return {}
    with os.fdopen(fd, "rb") as file:
        rows = [line.split() for line in file.read(_MAX_TABLE_BYTES).splitlines()]
    return {
        int(row[0]): (int(row[1]), int(row[2]), int(row[3], 8))
        for row in rows
        if len(b" ".join(row)) <= _LONGEST
        and len(row) == 4
        and all(map(bytes.isdigit, row))
        and not row[3].translate(None, b"01234567")
        and int(row[1]) < _IDS > int(row[2])
    }


class LayerOwners:
    """What is remembered of owners in the layers of a stack. For reading by any number of threads."""

    def __init__(self, folders: Sequence[str], above: OwnerTable | None = None) -> None:
        """folders: contents of layers, bottom first. above: of the one on top that is being written."""
        self._folders = folders
        self._above = above
        self._owners: Owners | None = None

    def meant(self, place: str, found: os.stat_result) -> os.stat_result:
        """What is meant to be at a place of a layer, from what is there."""
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            remembered = recall(place)
            if remembered is not None:
                return meant(found, remembered)
        if is_whiteout(found):
            return found
        if self._owners is None:  # layers lie on one file system, so a number means one file
            owners: Owners = {}
            for folder in self._folders:
                owners |= OwnerTable(folder).owners
            self._owners = owners
        above = None if self._above is None else self._above.look_up(found)
        return meant(found, above or of_inode(self._owners, found))
