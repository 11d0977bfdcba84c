"""A build's cache as an image that any registry and any OCI layout holds: records in its config, layers as its layers.

Format: docs/formats.md, "Cache images". Assembling is pure; equal caches give equal bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..digest import sha256_digest
from ..image import (
    CACHE_CONFIG_TYPE,
    CacheLayer,
    Descriptor,
    Manifest,
    MediaType,
    encode_cache_config,
    encode_manifest,
    named,
)
from ..values import frozen, replace
from .assembly import layer_descriptor
from .ocifolder import filled_layout
from .outfile import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..image import CacheConfig, CacheMount, LayerBlob
    from ..worker import ContentStore

__all__ = ["AssembledCache", "assemble_cache", "cache_config", "export_cache_folder"]


@frozen
class AssembledCache:
    """A complete cache image. `blobs`: of its layers and cache mounts, each once."""

    config: CacheConfig
    config_blob: bytes
    config_descriptor: Descriptor
    manifest_blob: bytes
    manifest_descriptor: Descriptor
    blobs: tuple[Descriptor, ...]

    @property
    def documents(self) -> tuple[tuple[Descriptor, bytes], tuple[Descriptor, bytes]]:
        """The config and the manifest, in the order to write them."""
        return (self.config_descriptor, self.config_blob), (self.manifest_descriptor, self.manifest_blob)


def cache_config(records: CacheConfig, layers: Mapping[str, LayerBlob]) -> CacheConfig:
    """The records with what is known of their layers, in the order in which they are first met."""
    names = dict.fromkeys(layer for record in records.records for ref in record.refs for layer in ref)
    described = tuple(
        CacheLayer(
            name=name,
            diff_id=layers[name].diff_id,
            blob=layers[name].descriptor.digest,
            created=layers[name].created,
        )
        for name in names
    )
    return replace(records, layers=described)


def assemble_cache(
    records: CacheConfig, layers: Mapping[str, LayerBlob], mounts: Sequence[tuple[CacheMount, Descriptor]] = ()
) -> AssembledCache:
    """The cache image of these records. `layers`: blobs of all their layers, by name."""
    config = replace(cache_config(records, layers), mounts=tuple(mount for mount, _ in mounts))
    used = [layers[layer.name].descriptor for layer in config.layers] + [blob for _, blob in mounts]
    blobs = tuple({blob.digest: layer_descriptor(blob) for blob in used}.values())
    config_blob = encode_cache_config(config)
    described = _describe(CACHE_CONFIG_TYPE, config_blob)
    manifest_blob = encode_manifest(Manifest(config=described, layers=blobs))
    return AssembledCache(
        config=config,
        config_blob=config_blob,
        config_descriptor=described,
        manifest_blob=manifest_blob,
        manifest_descriptor=_describe(MediaType.OCI_MANIFEST, manifest_blob),
        blobs=blobs,
    )


def _describe(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=sha256_digest(data), size_bytes=len(data))


def export_cache_folder(cache: AssembledCache, store: ContentStore, path: str, tag: str) -> None:
    """Add the cache to an OCI layout folder, under a tag; what else is in it stays. Raises ExportError.

    The blobs are in the content store. The index comes last: a reader never sees a cache that is not whole.
    """
    with refusals(path):
        layout = filled_layout(path, store, cache.blobs, cache.documents)
        layout.put(named(cache.manifest_descriptor, name="", ref_name=tag))
