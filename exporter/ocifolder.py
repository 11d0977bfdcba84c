"""An assembled image in an OCI layout folder, among others that may be there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import ExportError, NotFoundError
from ..image import Layout
from .archive import listed
from .outfile import refusals, replacing
from .transfer import place_file, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..image import Descriptor, Reference
    from ..worker import ContentStore
    from .index import Assembled

__all__ = ["export_oci_folder", "filled_layout"]


def export_oci_folder(image: Assembled, store: ContentStore, names: Sequence[Reference], path: str) -> None:
    """Add the image to an OCI layout folder, made if it is not there; other images in it stay.

    The index comes last: a reader never sees an image that is not whole. Raises ExportError.
    """
    with refusals(path):
        layout = filled_layout(path, store, image.layers, image.small_blobs())
        for descriptor in listed(image, names):
            layout.put(descriptor)


def filled_layout(
    path: str, store: ContentStore, blobs: Iterable[Descriptor], documents: Iterable[tuple[Descriptor, bytes]]
) -> Layout:
    """An OCI layout folder, made if it is not there, that holds these: blobs of the store, and small ones after them.

    Its index is as it was. Raises NotFoundError, ExportError; OSError as it comes.
    """
    layout = Layout(path)
    _check_folder(path)
    layout.create()
    for blob in blobs:
        if not store.has(blob.digest, blob.size_bytes):
            raise NotFoundError(f"the content store has no blob {blob.digest}")
        place_file(store.path(blob.digest), layout.blob_path(blob.digest), blob.size_bytes)
    for descriptor, data in documents:
        _place_bytes(layout.blob_path(descriptor.digest), data)
    return layout


def _check_folder(path: str) -> None:
    """Raises ExportError when something other than an OCI layout is there."""
    try:
        found = os.listdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ExportError(f"cannot write {path}: it is a file", hint="name a folder, or leave out tar=false") from None
    if found and not {"oci-layout", "index.json"} <= set(found):
        raise ExportError(f"cannot write {path}: it holds files and is no OCI layout", hint="name an empty folder")


def _place_bytes(path: str, data: bytes) -> None:
    """A small blob, unless it is there already."""
    if os.path.exists(path) and os.stat(path).st_size == len(data):
        return
    with replacing(path) as descriptor:
        write_all(descriptor, data)
        os.fchmod(descriptor, 0o444)
