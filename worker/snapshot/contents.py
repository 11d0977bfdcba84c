"""Content digests: what a copy would take, as one blake3.

Hashed per file, link, folder: name, type, permissions, owner, extended attributes, and the content or
the link's target; not the times, so a file that was only touched is the same file. In a client's
folder owners count as 0:0: a checkout by another user is the same build.

    record = msgpack [path, mode, uid, gid, xattrs, content]; content: blake3 of a file, target of a
    link, device number, or nil. The digest is over the records of all selections, in order.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...digest import Digest, new_blake3
from ...errors import SourceError
from ...llb.codec import pack
from .selection import Filter, pick
from .walking import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Hasher
    from ...llb import FileCopy
    from .tree import Directory, Tree

__all__ = ["content_digest"]

_CHUNK = 1 << 20


def content_digest(tree: Tree, selection: Sequence[FileCopy]) -> Digest:
    """Digest of what these copies would take from the tree. Raises SourceError for what is missing or unreadable."""
    hasher = new_blake3()
    for copy in selection:
        for picked in pick(tree, copy):
            hasher.update(b"\x00source")
            if not stat.S_ISDIR(picked.stat.st_mode):
                parent, _, name = picked.path.rpartition("/")
                with tree.directory(parent) as folder:
                    _add(hasher, tree, picked.name, name, picked.stat, folder)
                continue
            if not copy.dir_copy_contents:
                parent, _, name = picked.path.rpartition("/")
                with tree.directory(parent) as folder:
                    _add(hasher, tree, picked.name, name, picked.stat, folder)
            for visit in walk(tree, picked.path, Filter(copy)):
                _add(hasher, tree, visit.path, visit.name, visit.stat, visit.folder)
    return Digest("blake3:" + hasher.hexdigest())


def _add(hasher: Hasher, tree: Tree, shown: str, name: str, found: os.stat_result, folder: Directory) -> None:
    mode = found.st_mode
    content: object = None
    xattrs: dict[str, bytes] = {}
    if stat.S_ISREG(mode):
        handle = folder.open(name)
        try:
            content = _file_digest(handle, found.st_size)
            xattrs = _handle_xattrs(handle)
        except OSError as error:
            raise SourceError(f"cannot read {shown!r}: {error.strerror}", ref=shown) from None
        finally:
            os.close(handle)
    elif stat.S_ISLNK(mode):
        content = os.fsencode(folder.readlink(name))
    elif stat.S_ISDIR(mode):
        xattrs = dict(folder.xattrs(name))
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        content = found.st_rdev
    elif stat.S_ISSOCK(mode):
        return  # not copied, so not counted
    uid, gid = (found.st_uid, found.st_gid) if tree.owners else (0, 0)
    hasher.update(pack([os.fsencode(shown), mode, uid, gid, xattrs, content]))


def _file_digest(handle: int, size_bytes: int) -> bytes:
    hasher = new_blake3()
    if size_bytes < _CHUNK:
        while data := os.read(handle, size_bytes + 1):
            hasher.update(data)
            if len(data) <= size_bytes:  # a short read at the expected place is the end: spares one call a file
                size_bytes -= len(data)
                if size_bytes <= 0:
                    break
        return hasher.digest()
    buffer = memoryview(bytearray(_CHUNK))
    while count := os.readv(handle, [buffer]):
        hasher.update(buffer[:count])
    return hasher.digest()


def _handle_xattrs(handle: int) -> dict[str, bytes]:
    from .merged import own_xattrs

    return own_xattrs(handle)
