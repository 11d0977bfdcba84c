"""Archives of `docker save` as it was before it wrote OCI layouts: `manifest.json`, configs, and a tar for each layer.

Spec: moby, image/spec/v1.2, "Combined Image JSON + Filesystem Changeset Format". They are shown as the OCI layouts that
they would be: the blobs lie in the archive, index and manifests are made here. Layers are blobs as they are, compressed
or not; a config stays byte by byte what it was, so that the image keeps its id.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...digest import Digest, sha256_digest
from ...errors import SourceError
from ...image import (
    MAX_DOCUMENT_BYTES,
    Descriptor,
    Manifest,
    MediaType,
    blob_name,
    decode_config,
    encode_layout,
    encode_manifest,
    named,
    parse_reference,
)
from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from .archive import Member

__all__ = ["LISTING", "DockerArchive", "read_docker_archive"]

LISTING = "manifest.json"
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


@frozen
class DockerArchive:
    """By their names in an OCI layout: `documents` that were made, and `blobs` of the archive. Nothing is verified."""

    documents: Mapping[str, bytes]
    blobs: Mapping[str, Member]


def read_docker_archive(file: BinaryIO, members: Mapping[str, Member], *, ref: str) -> DockerArchive:
    """Raises SourceError for what is no such archive, or a broken one."""
    reader = _Reader(file, members, ref)
    try:
        entries = json.loads(reader.read(LISTING))
        found = [(str(entry["Config"]), list(entry["Layers"]), entry.get("RepoTags") or []) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SourceError(f"{ref}: its {LISTING} is not a list of images", ref=ref) from error
    if not found:
        raise SourceError(f"{ref} holds no image", ref=ref)
    images = []
    for config, layers, tags in found:
        target = reader.image(config, layers)
        names = [str(parse_reference(str(tag))) for tag in tags]
        images += [named(target, name=name, ref_name=name.rpartition(":")[2]) for name in names] or [target]
    return DockerArchive(documents={"index.json": encode_layout(tuple(images)), **reader.documents}, blobs=reader.blobs)


class _Reader:
    def __init__(self, file: BinaryIO, members: Mapping[str, Member], ref: str) -> None:
        self._file = file
        self._members = members
        self._ref = ref
        self.documents: dict[str, bytes] = {}
        self.blobs: dict[str, Member] = {}

    def image(self, config_name: str, names: list[Any]) -> Descriptor:
        """The manifest of an image, made here."""
        data = self.read(config_name)
        config = decode_config(data, ref=self._ref)
        if len(config.diff_ids) != len(names):
            raise SourceError(
                f"{self._ref}: {len(names)} layers, but its config lists {len(config.diff_ids)}", ref=self._ref
            )
        layers = [self._layer(str(name), diff_id) for name, diff_id in zip(names, config.diff_ids, strict=True)]
        digest = sha256_digest(data)
        self.blobs[blob_name(digest)] = self._member(config_name)
        manifest = Manifest(
            config=Descriptor(media_type=MediaType.DOCKER_CONFIG, digest=digest, size_bytes=len(data)),
            layers=tuple(layers),
            media_type=MediaType.DOCKER_MANIFEST,
        )
        document = encode_manifest(manifest)
        made = sha256_digest(document)
        self.documents[blob_name(made)] = document
        return Descriptor(
            media_type=manifest.media_type, digest=made, size_bytes=len(document), platform=config.platform
        )

    def _layer(self, name: str, diff_id: Digest) -> Descriptor:
        """The layer's blob. A plain tar is what its diff ID says, or whoever copies it will notice."""
        member = self._member(name)
        self._file.seek(member.offset)
        packed = self._file.read(len(_GZIP)) == _GZIP
        digest = self._digest(member) if packed else diff_id
        self.blobs[blob_name(digest)] = member
        media_type = MediaType.DOCKER_LAYER_GZIP if packed else MediaType.DOCKER_LAYER
        return Descriptor(media_type=media_type, digest=digest, size_bytes=member.size_bytes)

    def _digest(self, member: Member) -> Digest:
        self._file.seek(member.offset)
        hasher, left = hashlib.sha256(), member.size_bytes
        while left and (data := self._file.read(min(_CHUNK_BYTES, left))):
            hasher.update(data)
            left -= len(data)
        return Digest("sha256:" + hasher.hexdigest())

    def read(self, name: str) -> bytes:
        member = self._member(name)
        if member.size_bytes > MAX_DOCUMENT_BYTES:
            raise SourceError(f"{self._ref}: {name} is larger than {MAX_DOCUMENT_BYTES} bytes", ref=self._ref)
        self._file.seek(member.offset)
        return self._file.read(member.size_bytes)

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise SourceError(
                f"{self._ref} holds no {name}",
                ref=self._ref,
                hint="expected an archive of docker save, or an OCI layout",
            )
        return self._members[name]
