"""Statements as a manifest beside the image that they are about. Pure.

Spec: moby/buildkit, docs/attestations/attestation-storage.md; OCI image-spec 1.1, manifest.md, for the artifact form.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...image import (
    ATTESTATION_ARTIFACT,
    ATTESTATION_MANIFEST,
    EMPTY_CONFIG,
    NO_PLATFORM,
    PREDICATE_TYPE,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    STATEMENT_TYPE,
    Descriptor,
    Manifest,
    MediaType,
    encode_manifest,
)
from ...values import frozen, replace
from ..assembly import describe
from .purl import image_purl
from .statement import Subject, encode_statement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...image import Reference
    from ..assembly import AssembledImage
    from .statement import Predicate

__all__ = ["AssembledAttestation", "attest_image"]


@frozen
class AssembledAttestation:
    """All that is said of one image. `statements`: descriptors and bytes, in order."""

    statements: tuple[tuple[Descriptor, bytes], ...]
    config_descriptor: Descriptor
    config_blob: bytes
    manifest_descriptor: Descriptor
    manifest_blob: bytes

    def small_blobs(self) -> Iterator[tuple[Descriptor, bytes]]:
        """In the order to write them."""
        yield self.config_descriptor, self.config_blob
        yield from self.statements
        yield self.manifest_descriptor, self.manifest_blob


def attest_image(
    image: AssembledImage, predicates: Sequence[Predicate], names: Sequence[Reference], *, artifact: bool = True
) -> AssembledAttestation:
    """The manifest that says these things of the image, which stays what it is.

    names: the image's; without one the statements call it `_`. artifact: in OCI's form for what is no image, which
    names its subject; else in the older one, which looks like an image whose layers are statements.
    """
    target = image.manifest_descriptor
    subjects = [Subject(name=image_purl(name, image.config.platform), digest=target.digest) for name in names]
    subjects = subjects or [Subject(name="_", digest=target.digest)]
    statements = [_statement(predicate, subjects) for predicate in predicates]
    layers = tuple(descriptor for descriptor, _ in statements)
    if artifact:
        config, config_type = EMPTY_CONFIG, MediaType.OCI_EMPTY
    else:
        config, config_type = _config_of(layers), MediaType.OCI_CONFIG
    config_descriptor = describe(config_type, config)
    subject = Descriptor(media_type=target.media_type, digest=target.digest, size_bytes=target.size_bytes)
    manifest = Manifest(
        config=config_descriptor,
        layers=layers,
        artifact_type=ATTESTATION_ARTIFACT if artifact else "",
        subject=subject if artifact else None,
    )
    blob = encode_manifest(manifest)
    descriptor = replace(
        describe(manifest.media_type, blob),
        platform=NO_PLATFORM,
        annotations=((REFERENCE_DIGEST, target.digest), (REFERENCE_TYPE, ATTESTATION_MANIFEST)),
    )
    return AssembledAttestation(
        statements=tuple(statements),
        config_descriptor=config_descriptor,
        config_blob=config,
        manifest_descriptor=descriptor,
        manifest_blob=blob,
    )


def _statement(predicate: Predicate, subjects: Sequence[Subject]) -> tuple[Descriptor, bytes]:
    data = encode_statement(predicate, subjects)
    return replace(describe(STATEMENT_TYPE, data), annotations=((PREDICATE_TYPE, predicate.type),)), data


def _config_of(layers: Sequence[Descriptor]) -> bytes:
    """An image config without a word about the statements: for programs that expect one."""
    document = {
        "architecture": NO_PLATFORM.architecture,
        "os": NO_PLATFORM.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }
    return json.dumps(document, separators=(",", ":")).encode()
