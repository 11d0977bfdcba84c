"""Archives that a build unpacks (ADD of a local tar): told by content, files taken as they are.

No name has a meaning here: whiteouts are a matter of layers.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import CorruptError, StoreError
from . import member as kinds
from .decompress import iter_decompressed
from .filecontent import write_pieces
from .layerfolders import LayerFolders
from .names import clean_name
from .tarreader import TarLimits, TarReader
from .unpacker import Unpacker

if TYPE_CHECKING:
    from typing import IO

    from ..snapshot import LayerWriter
    from .unpacker import Unpacked

__all__ = ["is_archive", "newest_file", "unpack_archive"]


def is_archive(stream: IO[bytes]) -> bool:
    """Whether `unpack_archive` would find a member: a tar, plain or in gzip, bzip2, xz or zstd.

    Reads as little as it takes, from where the stream stands: bzip2 gives nothing before 900 kB are in.
    """
    reader = TarReader(iter_decompressed(stream), TarLimits())
    try:
        return reader.next() is not None
    except CorruptError:
        return reader.members > 0  # a tar, if one we cannot unpack: that is for `unpack_archive` to say


def newest_file(stream: IO[bytes]) -> int | None:
    """When the newest file of an archive is from, in whole seconds since 1970; None when it is none, or has no files.

    Raises CorruptError where it breaks off.
    """
    reader = TarReader(iter_decompressed(stream), TarLimits())
    newest = None
    try:
        while (member := reader.next()) is not None:
            if member.kind == kinds.FILE:
                newest = max(member.mtime_ns // 10**9, newest if newest is not None else -(1 << 62))
    except CorruptError:
        if reader.members:
            raise
    return newest


def unpack_archive(
    stream: IO[bytes],
    layer: LayerWriter,
    dest: str,
    *,
    owner: tuple[int, int] | None = None,
    limits: TarLimits | None = None,
) -> Unpacked:
    """Unpack an archive into the folder `dest` of a layer in the making.

    Ids are the archive's unless `owner` (uid, gid) is given. What is there is replaced, folders are merged.
    Raises CorruptError when the archive is damaged or leads out of `dest`.
    """
    reader = TarReader(iter_decompressed(stream), limits or TarLimits())

    def fill(fd: int) -> None:
        write_pieces(fd, reader.piece)

    with LayerFolders(layer) as folders:
        unpacker = Unpacker(folders, top=os.fsencode(dest), owner=owner, owners=layer.owners_of_links)
        while (member := reader.next()) is not None:
            path = clean_name(member.name)
            if not path:
                continue  # "./": the folder is there, and stays as it is
            try:
                unpacker.make(path, member, fill)
            except OSError as error:
                raise StoreError(f"cannot unpack {os.fsdecode(path)}: {error.strerror}") from error
    return unpacker.summary()
