"""A root filesystem that comes from outside (`llbuild import`), as one layer."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import CorruptError, SourceError, StoreError
from .blobwriter import BlobWriter
from .decompress import iter_decompressed
from .names import clean_name
from .pack import finish_layer
from .tarreader import TarLimits, TarReader
from .tarstream import TarStream
from .treewalk import WHITEOUT_PREFIX, TreeWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from .blobwriter import Sink
    from .compression import Compression
    from .pack import PackedLayer

__all__ = ["pack_tree"]


def pack_tree(source: Path, sink: Sink, compression: Compression) -> PackedLayer:
    """Write the files of a folder, or of a tar in whatever compression, as a layer blob to `sink`.

    What of a folder belongs to the ordinary user who calls this belongs to root in the layer. A tar is kept byte by
    byte, once its members were found to be fit for a layer; only its compression changes.
    Raises SourceError when it is neither, cannot be read, or holds what means a deletion in a layer.
    """
    ref = str(source)
    try:
        with BlobWriter(sink, compression) as blob:
            if stat.S_ISDIR(os.stat(source).st_mode):
                mine = (os.geteuid(), os.getegid()) if os.geteuid() else None
                TreeWriter(TarStream(blob.write), overlay=False, root=mine).write(ref)
            else:
                with source.open("rb") as stream:
                    _copy_tar(stream, blob, ref)
            return finish_layer(blob, compression)
    except (CorruptError, StoreError) as error:
        raise SourceError(f"cannot import {ref}: {error.message}", ref=ref, hint=error.hint) from error
    except OSError as error:
        raise SourceError(f"cannot read {ref}: {error.strerror}", ref=ref) from error


def _copy_tar(stream: IO[bytes], blob: BlobWriter, ref: str) -> None:
    def passing() -> Iterator[bytes]:
        for chunk in iter_decompressed(stream):
            blob.write(chunk)
            yield chunk

    chunks = passing()
    reader = TarReader(chunks, TarLimits())
    while (member := reader.next()) is not None:
        path = clean_name(member.name)
        if WHITEOUT_PREFIX in path and any(part.startswith(WHITEOUT_PREFIX) for part in path.split(b"/")):
            name = os.fsdecode(path)
            raise CorruptError(
                f"{name} would mark a deleted file in a layer", expected="names without .wh.", actual=name
            )
    for _ in chunks:  # what follows the end mark belongs to the bytes too
        pass
    if not reader.members:
        raise SourceError(f"{ref} is empty: expected a root filesystem, as a folder or a tar", ref=ref)
