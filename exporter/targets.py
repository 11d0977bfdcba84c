"""An assembled image put where it was wanted, as far as it is not there already: the local store, an archive.

Each appears whole or not at all, and equal images give equal bytes. Layers are not read here.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..digest import sha256_digest
from .receipts import note_written, still_written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..image import Reference
    from ..worker import ContentStore
    from .index import Assembled

__all__ = ["export_archive", "export_store"]

_ARCHIVE_FORM = "oci archive 1"  # to be changed when the same image would give other bytes


def export_store(image: Assembled, store: ContentStore, names: Sequence[Reference]) -> None:
    """Keep the image in the local store, under these names. Writes nothing that is there already, unharmed."""
    for descriptor, data in image.small_blobs():
        store.write(data, descriptor.digest)
    for name in names:
        store.put_image(str(name), image.target)
    # Until it had a name, nothing kept anybody from cleaning up what it shares with images that were forgotten.
    for descriptor, data in image.small_blobs():
        if not store.has(descriptor.digest, len(data)):
            store.write(data, descriptor.digest)


def export_archive(
    image: Assembled, store: ContentStore, names: Sequence[Reference], path: str, *, docker: bool = False
) -> None:
    """Write an OCI archive to a file. One that is there already and the same only gets a new time.

    docker: with a `manifest.json` besides, by which `docker load` of any age finds its way. Raises ExportError.
    """
    plan, receipts = _plan(image, names, docker), f"{store.root}/exports"
    if still_written(receipts, path, plan):
        with contextlib.suppress(OSError):  # somebody else's file that we may read
            os.utime(path)
    else:
        from .archive import write_archive  # most builds change nothing

        write_archive(image, store, names, path, docker=docker)
    note_written(receipts, path, plan)


def _plan(image: Assembled, names: Sequence[Reference], docker: bool) -> str:
    """What the bytes of the archive follow from; the target's digest stands for all its blobs."""
    target = (image.target.digest, *(f"{key}={value}" for key, value in image.target.annotations))
    said = "\0".join((_ARCHIVE_FORM, str(docker), *target, *(str(name) for name in names)))
    return sha256_digest(said.encode("utf-8", "surrogateescape"))
