"""An assembled image written to where it was wanted: the local store, an OCI folder, a tar for whatever tool.

Each appears whole or not at all, and equal images give equal bytes. Layers are not read here.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..errors import ExportError, NotFoundError
from ..image import LAYOUT_FILE, Layout, blob_name, encode_layout, named
from ..values import replace
from .outfile import refusals, replacing
from .receipts import note_written, still_written
from .tar_stream import TarStream
from .transfer import place_file, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..image import Descriptor, Reference
    from ..worker import ContentStore
    from .index import Assembled

__all__ = [
    "export_archive",
    "export_oci_folder",
    "export_store",
    "filled_layout",
    "stream_archive",
]

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
        with replacing(path) as descriptor:
            _write_archive(image, store, names, TarStream(descriptor), docker)
    note_written(receipts, path, plan)


def _plan(image: Assembled, names: Sequence[Reference], docker: bool) -> str:
    """What the bytes of the archive follow from; the target's digest stands for all its blobs."""
    target = (image.target.digest, *(f"{key}={value}" for key, value in image.target.annotations))
    said = "\0".join((_ARCHIVE_FORM, str(docker), *target, *(str(name) for name in names)))
    return sha256_digest(said.encode("utf-8", "surrogateescape"))


def stream_archive(
    image: Assembled, store: ContentStore, names: Sequence[Reference], descriptor: int, *, docker: bool = False
) -> None:
    """Write the archive into a file descriptor, which may be a pipe. Raises ExportError.

    Members are sorted by name, so the blobs come before `index.json`, as in BuildKit's.
    """
    with refusals("the archive"):
        _write_archive(image, store, names, TarStream(descriptor), docker)


def _write_archive(
    image: Assembled, store: ContentStore, names: Sequence[Reference], tar: TarStream, docker: bool
) -> None:
    tar.folder("blobs")
    tar.folder("blobs/sha256")
    small = {found.digest: data for found, data in image.small_blobs()}
    sizes = {layer.digest: layer.size_bytes for layer in image.layers}
    for digest in sorted({*small, *sizes}):
        if digest in small:
            tar.file(blob_name(digest), small[digest])
        else:
            with store.open(digest) as blob:
                tar.blob(blob_name(digest), blob, sizes[digest])
    tar.file("index.json", encode_layout(_listed(image, names)), mode=0o644)
    if docker:
        tar.file("manifest.json", _docker_listing(image, names), mode=0o644)
    tar.file("oci-layout", LAYOUT_FILE)
    tar.end()


def _docker_listing(image: Assembled, names: Sequence[Reference]) -> bytes:
    """The table of contents of `docker save`: paths inside the archive."""
    (only,) = image.images
    entry = {
        "Config": blob_name(only.config_descriptor.digest),
        "RepoTags": [name.familiar() for name in names] or None,
        "Layers": [blob_name(layer.digest) for layer in only.layers],
    }
    return json.dumps([entry], separators=(",", ":")).encode()


def export_oci_folder(image: Assembled, store: ContentStore, names: Sequence[Reference], path: str) -> None:
    """Add the image to an OCI layout folder, made if it is not there; other images in it stay.

    The index comes last: a reader never sees an image that is not whole. Raises ExportError.
    """
    with refusals(path):
        layout = filled_layout(path, store, image.layers, image.small_blobs())
        for descriptor in _listed(image, names):
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


def _listed(image: Assembled, names: Sequence[Reference]) -> tuple[Descriptor, ...]:
    """The lines of an exported index, named as BuildKit names them: the OCI name is the tag alone."""
    descriptor = image.target
    if image.created:
        # BuildKit writes the time of the export; the image's own keeps the bytes the same.
        created = ("org.opencontainers.image.created", image.created)
        descriptor = replace(descriptor, annotations=(*descriptor.annotations, created))
    if not names:
        return (descriptor,)
    return tuple(named(descriptor, name=str(name), ref_name=name.tag or str(name)) for name in names)


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
