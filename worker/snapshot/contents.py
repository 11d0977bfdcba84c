"""Content digests: what a copy would take, as one blake3, and the listing that it is the digest of.

Listed per file, link, folder: name, type, permissions, owner, extended attributes, and the content or
the link's target; not the times, so a file that was only touched is the same file. In a client's
folder owners count as 0:0: a checkout by another user is the same build.

    listing = msgpack values: for each copy 1, for each of its sources 0, and the entries of what it takes
    entry   = [path, mode, uid, gid, xattrs, content]; xattrs: of folders
    content = blake3 of msgpack [xattrs, a file's bytes, or [size, blake3 of them] from 64 KiB on];
              a link's target; a device's number; or nil

An entry is an array and says where it ends, so no two selections make the same listing.
"""

from __future__ import annotations

import os
import time
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG, S_IFSOCK, S_ISDIR
from typing import TYPE_CHECKING

from ...digest import Digest, blake3_bytes, new_blake3
from ...errors import SourceError
from ...llb.codec import pack
from .rows import Contents
from .selection import Filter, pick
from .walking import walk
from .xattrs import own_xattrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...llb import FileCopy
    from .tree import Directory, Tree

__all__ = ["LONGEST_LISTING_BYTES", "read_contents"]

LONGEST_LISTING_BYTES = 16 << 20  # some 200,000 files
_PIECES = 512
_CHUNK = 1 << 20
_INLINE = 1 << 16  # shorter contents go into their record: a hasher for each would cost as much as reading them


def read_contents(tree: Tree, selection: Sequence[FileCopy]) -> Contents:
    """List what these copies would take from the tree. Raises SourceError for what is missing or unreadable."""
    listing = _Listing()
    try:
        for copy in selection:
            listing.add(b"\x01")
            _add_copy(listing, tree, copy)
    except OSError as error:
        raise SourceError(f"cannot read {error.filename or 'a file'}: {error.strerror}", ref="") from error
    return listing.finish()


class _Listing:
    """Entries as they come: kept, unless they are too many, and hashed in pieces: a call for each costs as much."""

    def __init__(self) -> None:
        self._hasher = new_blake3()
        self._kept: list[bytes] | None = []
        self._bytes = 0
        self._pending: list[bytes] = []

    def add(self, entry: bytes) -> None:
        self._pending.append(entry)
        if len(self._pending) >= _PIECES:
            self._flush()

    def finish(self) -> Contents:
        self._flush()
        return Contents(Digest("blake3:" + self._hasher.hexdigest()), b"".join(self._kept or ()))

    def _flush(self) -> None:
        data = b"".join(self._pending)
        self._pending.clear()
        self._hasher.update(data)
        self._bytes += len(data)
        if self._bytes > LONGEST_LISTING_BYTES:
            self._kept = None
        if self._kept is not None:
            self._kept.append(data)


def _add_copy(listing: _Listing, tree: Tree, copy: FileCopy) -> None:
    chosen = Filter(copy)
    for picked in pick(tree, copy):
        listing.add(b"\x00")
        is_folder = S_ISDIR(picked.stat.st_mode)
        if not (is_folder and copy.dir_copy_contents):
            parent, _, name = picked.path.rpartition("/")
            with tree.directory(parent) as folder:
                _add(listing, tree, picked.name, name, picked.stat, folder)
        if is_folder:
            for path, name, found, folder, _ in walk(tree, picked.path, chosen or None):
                _add(listing, tree, path, name, found, folder)


def _add(listing: _Listing, tree: Tree, shown: str, name: str, found: os.stat_result, folder: Directory) -> None:
    mode = found.st_mode
    kind = mode & 0o170000
    content: object = None
    xattrs: dict[str, bytes] = {}
    if kind == S_IFREG:
        content = folder.recall(name, found) or _read(name, found, folder)
    elif kind == S_IFLNK:
        content = os.fsencode(folder.readlink(name))
    elif kind == S_IFDIR:
        xattrs = dict(folder.xattrs(name))
    elif kind in (S_IFCHR, S_IFBLK):
        content = found.st_rdev
    elif kind == S_IFSOCK:
        return  # not copied, so not counted
    uid, gid = (found.st_uid, found.st_gid) if tree.owners else (0, 0)
    listing.add(pack([os.fsencode(shown), mode, uid, gid, xattrs, content]))


def _read(name: str, found: os.stat_result, folder: Directory) -> bytes:
    """The digest of a file: of its bytes and its extended attributes."""
    read_ns = time.time_ns()
    handle = folder.open(name)
    try:
        digest = blake3_bytes(pack([own_xattrs(handle), _content(handle, found.st_size)]))
        folder.note(name, os.fstat(handle), digest, read_ns)
    finally:
        os.close(handle)
    return digest


def _content(handle: int, size_bytes: int) -> object:
    if size_bytes < _INLINE:
        # One more than is there: a file that grew meanwhile must not be taken for what it was
        data = os.read(handle, size_bytes + 1)
        if len(data) <= size_bytes:
            return data
        os.lseek(handle, 0, os.SEEK_SET)
    hasher = new_blake3()
    buffer = memoryview(bytearray(_CHUNK))
    total = 0
    while count := os.readv(handle, [buffer]):
        hasher.update(buffer[:count])
        total += count
    return [total, hasher.digest()]
