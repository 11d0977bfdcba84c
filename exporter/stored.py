"""Images of the local store as exporters take them: their documents as they are, byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SourceError
from ..image import CONFIG_TYPES_OF_ALL, MAX_STATEMENT_BYTES, Index, decode_config, decode_manifest, is_image
from .assembly import AssembledImage
from .attest import AssembledAttestation
from .index import AssembledIndex

if TYPE_CHECKING:
    from ..image import Descriptor
    from ..worker import ContentStore

__all__ = ["stored_image"]


def stored_image(store: ContentStore, target: Descriptor, *, name: str) -> AssembledImage | AssembledIndex:
    """What a name of the store points at. `name`: for errors.

    Raises NotFoundError when part of it is not here; CorruptError and SourceError for a damaged one.
    """
    data = store.read(target.digest)
    document = decode_manifest(data, ref=name)
    if isinstance(document, Index):
        images = [stored_image(store, inner, name=name) for inner in document.manifests if is_image(inner)]
        manifests = [image for image in images if isinstance(image, AssembledImage)]
        if not manifests or len(manifests) < len(images):
            raise SourceError(f"{name} is an index of {'indexes' if images else 'nothing'}: not supported", ref=name)
        return AssembledIndex(
            images=tuple(manifests),
            index_blob=data,
            index_descriptor=target,
            attestations=tuple(_attestation(store, it, name) for it in document.manifests if not is_image(it)),
        )
    config_blob = store.read(document.config.digest)
    return AssembledImage(
        config=decode_config(config_blob, ref=name),
        config_blob=config_blob,
        config_descriptor=document.config,
        manifest_blob=data,
        manifest_descriptor=target,
        layers=document.layers,
    )


def _attestation(store: ContentStore, target: Descriptor, name: str) -> AssembledAttestation:
    data = store.read(target.digest)
    document = decode_manifest(data, ref=name, configs=CONFIG_TYPES_OF_ALL)
    if isinstance(document, Index):
        raise SourceError(f"{name}: {target.digest} says that it belongs to an image, and is an index", ref=name)
    return AssembledAttestation(
        statements=tuple((layer, store.read(layer.digest, limit=MAX_STATEMENT_BYTES)) for layer in document.layers),
        config_descriptor=document.config,
        config_blob=store.read(document.config.digest),
        manifest_descriptor=target,
        manifest_blob=data,
    )
