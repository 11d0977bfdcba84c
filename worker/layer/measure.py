"""How large a layer's files are, without unpacking it."""

from __future__ import annotations

from typing import IO

from .decompress import iter_decompressed
from .member import FILE
from .tarreader import TarLimits, TarReader

__all__ = ["files_size"]


def files_size(stream: IO[bytes]) -> int:
    """The bytes of a layer's regular files, each counted once; folders, links and deletions count as nothing.

    stream: the layer's blob, in whatever compression. Reads all of it. Raises CorruptError.
    """
    reader = TarReader(iter_decompressed(stream), TarLimits())
    total = 0
    while (member := reader.next()) is not None:
        if member.kind == FILE:
            total += member.size_bytes
    return total
