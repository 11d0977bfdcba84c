"""Attestations of an image: how an index tells them from images, and the words of their manifests.

They stand in the image's index after the images, as manifests of their own for the platform `unknown/unknown`, each
annotated with the digest of the image that it is about. Its layers are in-toto statements. As BuildKit stores them:
moby/buildkit, docs/attestations/attestation-storage.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..digest import parse_digest
from ..platforms import Platform

if TYPE_CHECKING:
    from ..digest import Digest
    from .descriptor import Descriptor
    from .manifest import Index

__all__ = [
    "ATTESTATION_ARTIFACT",
    "ATTESTATION_MANIFEST",
    "EMPTY_CONFIG",
    "MAX_STATEMENT_BYTES",
    "NO_PLATFORM",
    "PREDICATE_TYPE",
    "REFERENCE_DIGEST",
    "REFERENCE_TYPE",
    "STATEMENT_TYPE",
    "attested_digest",
    "images_of",
    "is_image",
]

REFERENCE_TYPE: Final = "vnd.docker.reference.type"
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
PREDICATE_TYPE: Final = "in-toto.io/predicate-type"
ATTESTATION_MANIFEST: Final = "attestation-manifest"  # the value of REFERENCE_TYPE
ATTESTATION_ARTIFACT: Final = "application/vnd.docker.attestation.manifest.v1+json"
STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
EMPTY_CONFIG: Final = b"{}"  # OCI image-spec 1.1, manifest.md, "Guidance for an Empty Descriptor"
NO_PLATFORM: Final = Platform(os="unknown", architecture="unknown")
MAX_STATEMENT_BYTES: Final = 40 << 20  # BuildKit's


def is_image(entry: Descriptor) -> bool:
    """Whether an entry of an index is an image, or an index of some: what bears a reference type never is."""
    return all(key != REFERENCE_TYPE for key, _ in entry.annotations)


def images_of(index: Index) -> tuple[Descriptor, ...]:
    """The entries that are images."""
    return tuple(entry for entry in index.manifests if is_image(entry))


def attested_digest(entry: Descriptor) -> Digest | None:
    """The image that an entry of an index attests to; None for an entry that does not, or not in a known way."""
    said = dict(entry.annotations)
    if said.get(REFERENCE_TYPE) != ATTESTATION_MANIFEST:
        return None
    try:
        return parse_digest(said.get(REFERENCE_DIGEST, ""))
    except ValueError:
        return None
