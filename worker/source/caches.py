"""Exported caches, read for what they know: the manifest and the config, no blob of a layer.

A cache image (docs/formats.md), or a container image that carries its cache in its own config; in a registry or in a
folder. What comes back says where each blob can be fetched, should something need it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...blocking import run_blocking
from ...errors import CorruptError, NotFoundError, SourceError
from ...image import (
    CACHE_CONFIG_TYPE,
    CONFIG_TYPES,
    MAX_CACHE_CONFIG_BYTES,
    Index,
    Layout,
    decode_cache_config,
    decode_inline_cache,
    decode_manifest,
    select_platform,
)
from ...platforms import host_platform
from ...values import frozen
from .oci_layout import OciLayoutSource

if TYPE_CHECKING:
    from ...digest import Digest
    from ...image import CacheConfig, Descriptor, Manifest, Reference
    from ...platforms import Platform
    from ..content import ContentStore
    from .images import ImageSource

__all__ = ["FoundCache", "load_folder_cache", "load_registry_cache"]

_BUILDKITS = "application/vnd.buildkit.cacheconfig.v0"
_ACCEPTED = (*CONFIG_TYPES, CACHE_CONFIG_TYPE, _BUILDKITS)
_MAX_DEPTH = 4  # of indexes in indexes


@frozen
class FoundCache:
    """What a cache knows. `origin`: the identifier to fetch its blobs by; `blobs`: those it has."""

    origin: str
    config: CacheConfig
    blobs: tuple[Descriptor, ...]


async def load_registry_cache(
    images: ImageSource, store: ContentStore, reference: Reference, platform: Platform | None = None
) -> FoundCache:
    """The cache at a reference. Asks for what is not here: nothing but the manifest's digest when nothing has changed.

    Raises SourceError when there is none, or it is not one of ours.
    """
    registry, ref = images.registry(), str(reference)
    digest = reference.digest or await registry.digest(reference)
    data = None if digest is None else await run_blocking(_stored, store, digest)
    if data is None:
        document = await registry.manifest(reference)
        await images.keep(document.descriptor, document.data)
        data = document.data
    for _ in range(_MAX_DEPTH):
        found = decode_manifest(data, ref=ref, configs=_ACCEPTED)
        if not isinstance(found, Index):
            break
        descriptor = _one_of(found, platform or host_platform(), ref)
        data = await run_blocking(_stored, store, descriptor.digest)
        if data is None:
            data = await registry.document(reference, descriptor)
            await images.keep(descriptor, data)
    else:
        raise SourceError(f"{ref}: its indexes are nested deeper than {_MAX_DEPTH}", ref=ref)
    _check(found, ref)
    if await run_blocking(_stored, store, found.config.digest) is None:
        await images.fetch_layer(ref, found.config, lambda *_: None)
    return await run_blocking(_load, store, found, ref, ref)


def load_folder_cache(
    store: ContentStore, path: str, name: str, platform: Platform | None = None
) -> tuple[FoundCache, int]:
    """The cache in an OCI layout, under a tag or a digest ("" when there is but one), and how many blobs it lacks.

    Raises SourceError.
    """
    source, layout = OciLayoutSource(path, store), Layout(path)
    descriptor = source.target(name)
    for _ in range(_MAX_DEPTH):
        found = decode_manifest(source.document(descriptor), ref=path, configs=_ACCEPTED)
        if not isinstance(found, Index):
            break
        descriptor = _one_of(found, platform or host_platform(), path)
    else:
        raise SourceError(f"{path}: its indexes are nested deeper than {_MAX_DEPTH}", ref=path)
    _check(found, path)
    source.document(found.config, limit=MAX_CACHE_CONFIG_BYTES)
    cache = _load(store, found, path, f"oci-layout://{os.path.abspath(path)}")
    there = tuple(blob for blob in cache.blobs if _size(layout.blob_path(blob.digest)) == blob.size_bytes)
    return FoundCache(origin=cache.origin, config=cache.config, blobs=there), len(cache.blobs) - len(there)


def _load(store: ContentStore, manifest: Manifest, ref: str, origin: str) -> FoundCache:
    data = store.read(manifest.config.digest, limit=MAX_CACHE_CONFIG_BYTES)
    if manifest.config.media_type != CACHE_CONFIG_TYPE:
        data = decode_inline_cache(data, ref=ref)
        if not data:
            raise SourceError(
                f"{ref} is an image without a cache in it", ref=ref, hint="build it with --cache-to type=inline"
            )
    config = decode_cache_config(data, ref=ref)
    return FoundCache(origin=origin, config=config, blobs=manifest.layers)


def _check(manifest: Manifest, ref: str) -> None:
    if manifest.config.media_type == _BUILDKITS:
        raise SourceError(
            f"{ref} is a cache of BuildKit, whose keys mean nothing to llbuild",
            ref=ref,
            hint="export one of llbuild's under another name",
        )
    if manifest.config.size_bytes > MAX_CACHE_CONFIG_BYTES:
        raise SourceError(f"{ref}: its config is larger than {MAX_CACHE_CONFIG_BYTES >> 20} MiB", ref=ref)


def _one_of(index: Index, platform: Platform, ref: str) -> Descriptor:
    if any(entry.media_type == _BUILDKITS for entry in index.manifests):
        raise SourceError(f"{ref} is a cache of BuildKit, whose keys mean nothing to llbuild", ref=ref)
    found = select_platform(index, platform)
    if found is None:
        raise SourceError(f"{ref} has no cache for {platform}", ref=ref)
    return found


def _stored(store: ContentStore, digest: Digest) -> bytes | None:
    try:
        return store.read(digest, limit=MAX_CACHE_CONFIG_BYTES)
    except (NotFoundError, CorruptError):
        return None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
