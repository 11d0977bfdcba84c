"""Archives of `docker save` as it was before it wrote OCI layouts: `manifest.json`, configs, and a tar for each layer.

Spec: moby, image/spec/v1.2, "Combined Image JSON + Filesystem Changeset Format". Layers become blobs as they are,
compressed or not; a config stays byte by byte what it was, so that the image keeps its id.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...digest import Digest
from ...errors import SourceError
from ...image import (
    MAX_DOCUMENT_BYTES,
    Descriptor,
    Manifest,
    MediaType,
    decode_config,
    encode_manifest,
    parse_reference,
)
from .archive import read_members

if TYPE_CHECKING:
    from typing import BinaryIO

    from ...image import Reference
    from ..content import ContentStore
    from .archive import Member

__all__ = ["read_docker_archive"]

_LISTING = "manifest.json"
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


def read_docker_archive(
    file: BinaryIO, store: ContentStore, *, ref: str
) -> list[tuple[Descriptor, tuple[Reference, ...]]]:
    """Bring every image of the archive into the store: its manifest, made here, and its names.

    Raises SourceError for what is no such archive, or a broken one.
    """
    members = read_members(file, ref=ref)
    listing = _read(file, members, _LISTING, ref)
    try:
        entries = json.loads(listing)
        found = [(str(entry["Config"]), list(entry["Layers"]), entry.get("RepoTags") or []) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{ref}: its {_LISTING} is not a list of images", ref=ref) from error
    if not found:
        raise SourceError(f"{ref} holds no image", ref=ref)
    return [
        (_take_in(file, members, store, config, layers, ref), tuple(parse_reference(str(tag)) for tag in tags))
        for config, layers, tags in found
    ]


def _take_in(
    file: BinaryIO, members: dict[str, Member], store: ContentStore, config_name: str, names: list[Any], ref: str
) -> Descriptor:
    config_blob = _read(file, members, config_name, ref)
    config = decode_config(config_blob, ref=ref)
    if len(config.diff_ids) != len(names):
        raise SourceError(f"{ref}: {len(names)} layers, but its config lists {len(config.diff_ids)}", ref=ref)
    layers = [
        _layer(file, _member(members, str(name), ref), store, diff_id, ref)
        for name, diff_id in zip(names, config.diff_ids, strict=True)
    ]
    kept = store.write(config_blob)
    manifest = Manifest(
        config=Descriptor(media_type=MediaType.DOCKER_CONFIG, digest=kept.digest, size_bytes=kept.size_bytes),
        layers=tuple(layers),
        media_type=MediaType.DOCKER_MANIFEST,
    )
    blob = store.write(encode_manifest(manifest))
    return Descriptor(
        media_type=manifest.media_type, digest=blob.digest, size_bytes=blob.size_bytes, platform=config.platform
    )


def _layer(file: BinaryIO, member: Member, store: ContentStore, diff_id: Digest, ref: str) -> Descriptor:
    """The layer's blob. A plain tar is checked here, a compressed one by who unpacks it."""
    file.seek(member.offset)
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(member.offset)
    left, hasher = member.size_bytes, hashlib.sha256()
    with store.ingest(verify=False) as ingest:
        while left and (data := file.read(min(_CHUNK_BYTES, left))):
            hasher.update(data)
            ingest.write(data)
            left -= len(data)
        digest = Digest("sha256:" + hasher.hexdigest())
        if left or (not packed and digest != diff_id):
            raise SourceError(f"{ref}: a layer is corrupt: expected {diff_id}, found {digest}", ref=ref)
        ingest.commit(digest)
    media_type = MediaType.DOCKER_LAYER_GZIP if packed else MediaType.DOCKER_LAYER
    return Descriptor(media_type=media_type, digest=digest, size_bytes=member.size_bytes)


def _read(file: BinaryIO, members: dict[str, Member], name: str, ref: str) -> bytes:
    member = _member(members, name, ref)
    if member.size_bytes > MAX_DOCUMENT_BYTES:
        raise SourceError(f"{ref}: {name} is larger than {MAX_DOCUMENT_BYTES} bytes", ref=ref)
    file.seek(member.offset)
    return file.read(member.size_bytes)


def _member(members: dict[str, Member], name: str, ref: str) -> Member:
    if name not in members:
        raise SourceError(
            f"{ref} holds no {name}", ref=ref, hint="expected an archive of docker save, or an OCI layout"
        )
    return members[name]
