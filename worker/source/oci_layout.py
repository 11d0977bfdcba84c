"""Images out of an OCI layout that somebody else wrote: a folder, or a tar archive of one, or one of `docker save`.

Like `ImageSource`, lazily: documents are copied into the content store when an image is resolved,
layers when something reads them. Nothing in the layout is trusted: every blob is verified on its way in.
Synchronous; an archive is read where it lies.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CorruptError, SourceError
from ...image import (
    CONFIG_TYPES_OF_ALL,
    MAX_DOCUMENT_BYTES,
    Index,
    blob_name,
    decode_layout,
    decode_manifest,
    named,
    parse_reference,
)
from .archive import read_members
from .docker_archive import LISTING, read_docker_archive
from .resolved import load_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from ...digest import Digest
    from ...image import Descriptor, LayoutEntry
    from ...platforms import Platform
    from ..content import ContentStore
    from .archive import Member
    from .resolved import Report, ResolvedImage

__all__ = ["OciLayoutSource"]

_CHUNK_BYTES = 1 << 20


class OciLayoutSource:
    """One layout. Reads its index once, when it is first asked."""

    def __init__(self, path: str, store: ContentStore) -> None:
        self.path = path
        self._store = store
        self._members: dict[str, Member] | None = None  # of an archive
        self._made: Mapping[str, bytes] = {}  # what an archive of docker would hold if it were a layout

    def resolve(self, ref: str, name: str, platform: Platform) -> ResolvedImage:
        """The image called `name`: a tag, a full name or a digest; "" when there is but one.

        ref: what to call it in the result and in errors. Raises SourceError.
        """
        return load_image(self.document, self.target(name), platform, ref=ref)

    def document(self, descriptor: Descriptor, *, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """A manifest or a config, which is in the store afterwards. Raises SourceError."""
        if not self._store.has(descriptor.digest, descriptor.size_bytes):
            self._copy(descriptor, limit=limit)
        return self._store.read(descriptor.digest, limit=limit)

    def fetch_layer(self, layer: Descriptor, report: Report | None = None) -> None:
        """Copy a layer into the store, unless it is there. Raises SourceError."""
        if not self._store.has(layer.digest, layer.size_bytes):
            self._copy(layer, limit=layer.size_bytes, report=report)

    def target(self, name: str) -> Descriptor:
        """What the index lists under a tag, a full name or a digest; "" when it lists but one. Raises SourceError."""
        entries = self.entries()
        found = [entry for entry in entries if not name or {name, _full(name)} & _names(entry)]
        if len({entry.descriptor.digest for entry in found}) == 1:
            return found[0].descriptor
        there = ", ".join(sorted({entry.best_name or str(entry.descriptor.digest) for entry in entries}))
        what = f"{len(found)} images" if found else "no image"
        raise SourceError(
            f"{self.path} holds {what}" + (f" called {name!r}" if name else ""),
            ref=self.path,
            hint=f"name one of them: {there}" if there else "",
        )

    def entries(self) -> tuple[LayoutEntry, ...]:
        """What the index lists. Raises SourceError."""
        with self._open("index.json") as (file, size):
            data = file.read(min(size, MAX_DOCUMENT_BYTES + 1))
        return decode_layout(data, ref=self.path)

    def fetch_all(self, target: Descriptor) -> Descriptor:
        """Copy an image into the store, or all of an index; its descriptor, without names. Raises SourceError."""
        todo = [target]
        while todo:
            found = decode_manifest(self.document(todo.pop()), ref=self.path, configs=CONFIG_TYPES_OF_ALL)
            if isinstance(found, Index):
                todo.extend(found.manifests)
                continue
            self.document(found.config)
            for layer in found.layers:
                self.fetch_layer(layer)
        return named(target, name="", ref_name="")

    def _copy(self, descriptor: Descriptor, *, limit: int, report: Report | None = None) -> None:
        """Bring a blob into the store, verified."""
        wanted = descriptor.size_bytes
        with self._open(blob_name(descriptor.digest)) as (file, size):
            if size != wanted or size > limit:
                raise self._corrupt(descriptor.digest, f"expected {wanted} bytes, found {size}")
            with self._store.ingest(algorithm=descriptor.digest.algorithm) as ingest:
                while ingest.size_bytes < wanted and (data := file.read(min(_CHUNK_BYTES, wanted - ingest.size_bytes))):
                    ingest.write(data)
                    if report is not None:
                        report(f"reading {descriptor.digest.short}", ingest.size_bytes, wanted)
                try:
                    ingest.commit(descriptor.digest)
                except CorruptError as error:
                    raise self._corrupt(descriptor.digest, f"found {error.actual}") from error

    def _corrupt(self, digest: Digest, why: str) -> SourceError:
        return SourceError(f"{self.path}: blob {digest} is corrupt: {why}", ref=self.path)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """A file of the layout, at its beginning, and its size. Raises SourceError."""
        try:
            mode = os.stat(self.path).st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):  # to open a pipe would wait for its writer
                raise SourceError(f"{self.path} is neither a folder nor a file", ref=self.path)
            with Path(f"{self.path}/{name}" if stat.S_ISDIR(mode) else self.path).open("rb") as file:
                if stat.S_ISREG(mode):
                    found = self._member(file, name)
                    if isinstance(found, bytes):
                        yield io.BytesIO(found), len(found)
                        return
                    file.seek(found.offset)
                    yield file, found.size_bytes
                else:
                    yield file, os.fstat(file.fileno()).st_size
        except OSError as error:
            raise SourceError(
                f"cannot read {name} of {self.path}: {error.strerror}",
                ref=self.path,
                hint="expected an OCI layout: a folder or a tar archive with oci-layout, index.json and blobs/",
            ) from error

    def _member(self, file: BinaryIO, name: str) -> Member | bytes:
        """Where it lies, or what it is where it was made here."""
        if self._members is None:
            self._members = read_members(file, ref=self.path)
            if "index.json" not in self._members and LISTING in self._members:
                archive = read_docker_archive(file, self._members, ref=self.path)
                self._members, self._made = dict(archive.blobs), archive.documents
        if name in self._made:
            return self._made[name]
        if name not in self._members:
            raise SourceError(
                f"{self.path} holds no {name}",
                ref=self.path,
                hint="expected an archive of docker save, or an OCI layout",
            )
        return self._members[name]


def _names(entry: LayoutEntry) -> set[str]:
    return {entry.ref_name, entry.name, str(entry.descriptor.digest)} - {""}


def _full(name: str) -> str:
    """As docker would understand it: `base` is docker.io/library/base:latest. "" for what is no name of an image."""
    try:
        return str(parse_reference(name))
    except SourceError:
        return ""
