"""A layer blob in OCI form to a folder in overlay form.

Spec: OCI image-spec 1.1, layer.md, "Applying Changesets". Nothing outside the folder is read or written,
whatever the blob says.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import CorruptError, StoreError
from ...values import frozen
from ..owners import OwnerTable
from .filecontent import write_pieces
from .names import clean_name
from .openfolders import OpenFolders
from .tarreader import TarLimits, TarReader
from .tarsource import TarSource
from .treewalk import OPAQUE_NAME, WHITEOUT_PREFIX
from .unpacker import Unpacker

if TYPE_CHECKING:
    from typing import IO

    from ...digest import Digest

__all__ = ["ExtractedLayer", "extract_layer"]

_META_PREFIX = b".wh..wh."  # the opaque mark, and what the forgotten aufs kept in its branches


@frozen
class ExtractedLayer:
    """What came out of a layer blob, and how often the rights at hand did not suffice.

    size_bytes: of the tar. owners_ignored: files that belong to us instead of the owner the layer says.
    implied: folders that have no member of their own: what they are is for the layers below to say. At most 10,000.
    """

    diff_id: Digest
    size_bytes: int
    entries: int
    owners_ignored: int = 0
    devices_skipped: int = 0
    xattrs_ignored: int = 0
    implied: frozenset[bytes] = frozenset()


def extract_layer(
    stream: IO[bytes], folder: str, *, userxattr: bool, limits: TarLimits | None = None
) -> ExtractedLayer:
    """Unpack a layer, compressed or not, into the empty `folder`.

    userxattr: mark opaque folders the way an overlay mount with that option wants it.
    Raises CorruptError when the blob is damaged or malicious and StoreError when the disk refuses;
    `folder` then holds a part, to be thrown away.
    """
    with TarSource(stream) as source:
        reader = TarReader(source, limits or TarLimits())
        with OpenFolders(folder, userxattr=userxattr) as folders:
            unpacker = Unpacker(folders, owners=OwnerTable(folder))
            _unpack(reader, unpacker, folders)
            implied = frozenset(folders.implied)
        diff_id = source.finish()
    done = unpacker.summary()
    return ExtractedLayer(
        diff_id=diff_id,
        size_bytes=source.size_bytes,
        entries=done.entries,
        owners_ignored=done.owners_ignored,
        devices_skipped=done.devices_skipped,
        xattrs_ignored=done.xattrs_ignored,
        implied=implied,
    )


def _unpack(reader: TarReader, unpacker: Unpacker, folders: OpenFolders) -> None:
    def fill(fd: int) -> None:
        write_pieces(fd, reader.piece)

    while (member := reader.next()) is not None:
        path = clean_name(member.name)
        if not path:
            continue  # the root: no layer changes its mode or owner, as in containerd
        try:
            if WHITEOUT_PREFIX not in path or not _apply_marker(path, folders):
                unpacker.make(path, member, fill)
        except OSError as error:
            raise StoreError(f"cannot unpack {os.fsdecode(path)}: {error.strerror}") from error


def _apply_marker(path: bytes, folders: OpenFolders) -> bool:
    """Do what a `.wh.` name says; False if the path has none."""
    parts = path.split(b"/")
    if any(part.startswith(_META_PREFIX) for part in parts):
        if parts[-1] == OPAQUE_NAME:
            folders.make_opaque(folders.get(path.rpartition(b"/")[0]))
        return True
    base = parts[-1]
    if not base.startswith(WHITEOUT_PREFIX):
        return False
    deleted = base.removeprefix(WHITEOUT_PREFIX)
    if deleted in (b"", b".", b".."):
        name = os.fsdecode(path)
        raise CorruptError(f"the layer deletes something without a name: {name}", expected=".wh.NAME", actual=name)
    parent = folders.get(path.rpartition(b"/")[0])
    try:
        os.mknod(deleted, stat.S_IFCHR, 0, dir_fd=parent.fd)
    except FileExistsError:
        # A whiteout is about the layers below: what this layer has of that name stays, but alone.
        if stat.S_ISDIR(os.lstat(deleted, dir_fd=parent.fd).st_mode):
            folders.make_opaque(folders.exact(parent, deleted))
    return True
