"""Several layers written as one: what they changed together, on top of a base that stays as it is.

What one of them made and a later one deleted is not in it, and a deletion only where the base has something to delete.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from ...errors import StoreError
from ..overlay import is_whiteout
from ..owners import LayerOwners, remembering
from . import member as kinds
from .blobwriter import BlobWriter
from .member import Member
from .pack import finish_layer, new_stream
from .treewalk import OPAQUE_NAME, WHITEOUT_PREFIX, is_opaque, unfit
from .xattrs import read_xattrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..snapshot import Tree
    from .blobwriter import Sink
    from .compression import Compression
    from .pack import PackedLayer
    from .tarstream import TarStream

__all__ = ["pack_squashed"]

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SPECIAL_KINDS = {
    stat.S_IFLNK: kinds.SYMLINK,
    stat.S_IFCHR: kinds.CHAR_DEVICE,
    stat.S_IFBLK: kinds.BLOCK_DEVICE,
    stat.S_IFIFO: kinds.FIFO,
}


def pack_squashed(
    folders: Sequence[str],
    base: Tree,
    sink: Sink,
    compression: Compression,
    level: int | None = None,
    *,
    latest_s: int | None = None,
) -> PackedLayer:
    """Write the layers in `folders` (bottom first) as one blob to `sink`. `base`: what lies below them.

    The other arguments are those of `pack_layer`. Raises StoreError when something cannot be read.
    """
    with BlobWriter(sink, compression, level) as blob:
        _Squash(new_stream(blob, compression, latest_s), base).write(tuple(reversed(folders)))
        return finish_layer(blob, compression)


class _Squash:
    def __init__(self, tar: TarStream, base: Tree) -> None:
        self._tar = tar
        self._base = base
        self._links: dict[tuple[int, int], bytes] = {}
        self._owners: LayerOwners | None = None

    def write(self, stack: tuple[str, ...]) -> None:
        """Everything in the folders of `stack`, topmost first, and the archive's end."""
        self._owners = LayerOwners(stack[::-1]) if remembering() else None
        # One frame for each folder on the way down: its path, the folders it is made of, what is left to do in it.
        frames = [("", stack, _topmost(stack))]
        path = ""
        try:
            while frames:
                prefix, folders, names = frames[-1]
                name, place, info = next(names, ("", "", None))
                if info is None:
                    frames.pop()
                    continue
                path = f"{prefix}{name}"
                if os.fsencode(name).startswith(WHITEOUT_PREFIX):
                    raise unfit(os.fsencode(path), "such names mark deleted files there")
                info = info if self._owners is None else self._owners.meant(place, info)
                if is_whiteout(info):
                    if self._base.stat(path) is not None:
                        self._mark(os.fsencode(prefix) + WHITEOUT_PREFIX + os.fsencode(name))
                elif stat.S_ISDIR(info.st_mode):
                    below = self._enter(path, name, folders, info)
                    frames.append((f"{path}/", below, _topmost(below)))
                else:
                    self._add(os.fsencode(path), place, info)
        except OSError as error:
            raise StoreError(f"cannot read {path} of a layer: {error.strerror}") from error
        self._tar.end()

    def _enter(self, path: str, name: str, folders: Sequence[str], info: os.stat_result) -> tuple[str, ...]:
        """Add the folder; what it is made of, as far as nothing hides the rest."""
        below: list[str] = []
        hides = False
        for folder in folders:
            place = f"{folder}/{name}"
            try:
                found = os.lstat(place)
            except (FileNotFoundError, NotADirectoryError):
                continue
            hides = not stat.S_ISDIR(found.st_mode)
            if not hides:
                below.append(place)
                hides = is_opaque(place)
            if hides:
                break
        self._tar.add(_described(os.fsencode(path), kinds.DIRECTORY, below[0], info))
        beneath = self._base.stat(path) if hides else None
        if beneath is not None and stat.S_ISDIR(beneath.st_mode):
            self._mark(os.fsencode(path) + b"/" + OPAQUE_NAME)
        return tuple(below)

    def _add(self, path: bytes, place: str, info: os.stat_result) -> None:
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFSOCK:
            return
        first = self._links.setdefault((info.st_dev, info.st_ino), path) if info.st_nlink > 1 else path
        if first is not path:
            self._tar.add(_described(path, kinds.HARD_LINK, "", info)._replace(link=first))
        elif kind == stat.S_IFREG:
            fd = os.open(place, _FILE_FLAGS)
            try:
                member = _described(path, kinds.FILE, place, info)._replace(size_bytes=info.st_size)
                self._tar.add_file(member, partial(os.read, fd))
            finally:
                os.close(fd)
        else:
            self._tar.add(_described(path, _SPECIAL_KINDS[kind], place, info))

    def _mark(self, name: bytes) -> None:
        self._tar.add(Member(name, kinds.FILE, 0, 0, 0, 0))


def _topmost(folders: Sequence[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Name, place and state of everything in the folders, by name; what an upper one says counts."""
    found: dict[str, str] = {}
    for folder in folders:
        for name in os.listdir(folder):
            found.setdefault(name, f"{folder}/{name}")
    for name in sorted(found, key=os.fsencode):
        yield name, found[name], os.lstat(found[name])


def _described(path: bytes, kind: bytes, place: str, info: os.stat_result) -> Member:
    """The member but for a file's size; a hard link has nothing of its own."""
    member = Member(path, kind, info.st_mode & 0o7777, info.st_uid, info.st_gid, info.st_mtime_ns)
    if kind == kinds.HARD_LINK:
        return member
    if kind == kinds.SYMLINK:
        return member._replace(link=os.fsencode(os.readlink(place)))
    if kind in (kinds.CHAR_DEVICE, kinds.BLOCK_DEVICE):
        return member._replace(device=(os.major(info.st_rdev), os.minor(info.st_rdev)))
    return member._replace(xattrs=read_xattrs(os.fsencode(place), follow=False))
