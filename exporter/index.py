"""Several images put together as one: an index of the image of each platform, and of what is said of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..image import Descriptor, Index, MediaType, encode_index
from ..values import frozen, replace
from .assembly import AssembledImage, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from .assembly import ImageForm
    from .attest import AssembledAttestation

    Assembled: TypeAlias = AssembledImage | "AssembledIndex"

__all__ = ["AssembledIndex", "assemble_index"]


@frozen
class AssembledIndex:
    """A complete image for several platforms; their manifests stand in the order of `images`, attestations last."""

    images: tuple[AssembledImage, ...]
    index_blob: bytes
    index_descriptor: Descriptor
    attestations: tuple[AssembledAttestation, ...] = ()

    @property
    def target(self) -> Descriptor:
        """What a name of the image points at."""
        return self.index_descriptor

    @property
    def created(self) -> str:
        """When the youngest of the images was made."""
        return max(image.created for image in self.images)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Every layer once, however many platforms have it."""
        return tuple({layer.digest: layer for image in self.images for layer in image.layers}.values())

    def small_blobs(self) -> Iterator[tuple[Descriptor, bytes]]:
        """What was made here, in the order to write it: an index never points at what is missing."""
        for image in self.images:
            yield from image.small_blobs()
        for attestation in self.attestations:
            yield from attestation.small_blobs()
        yield self.index_descriptor, self.index_blob


def assemble_index(
    images: Sequence[AssembledImage], form: ImageForm, attestations: Sequence[AssembledAttestation] = ()
) -> AssembledIndex:
    """One image for the platforms of all. `form`: of the index itself; its media types must be those of the images."""
    media_type = MediaType.DOCKER_INDEX if form.docker else MediaType.OCI_INDEX
    manifests = (
        *(image.manifest_descriptor for image in images),
        *(attestation.manifest_descriptor for attestation in attestations),
    )
    blob = encode_index(Index(manifests=manifests, media_type=media_type, annotations=form.annotations))
    descriptor = replace(describe(media_type, blob), annotations=form.descriptor_annotations)
    return AssembledIndex(
        images=tuple(images), index_blob=blob, index_descriptor=descriptor, attestations=tuple(attestations)
    )
