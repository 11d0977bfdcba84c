"""Attestations among the images of an index."""

from __future__ import annotations

import pytest
from llbuild.digest import Digest
from llbuild.errors import SourceError
from llbuild.image import (
    CONFIG_TYPES_OF_ALL,
    NO_PLATFORM,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    Descriptor,
    Index,
    Manifest,
    MediaType,
    attested_digest,
    decode_manifest,
    encode_manifest,
    images_of,
    is_image,
    select_platform,
)
from llbuild.platforms import Platform

AMD64 = Platform(os="linux", architecture="amd64")
SHA = Digest("sha256:" + "a" * 64)


def entry(platform: Platform | None, **annotations: str) -> Descriptor:
    names = {"type": REFERENCE_TYPE, "digest": REFERENCE_DIGEST}
    said = tuple(sorted((names[key], value) for key, value in annotations.items()))
    return Descriptor(media_type=MediaType.OCI_MANIFEST, digest=SHA, size_bytes=1, platform=platform, annotations=said)


def test_what_bears_a_reference_type_is_no_image() -> None:
    image, said, other = entry(AMD64), entry(NO_PLATFORM, type="attestation-manifest"), entry(AMD64, type="other")
    assert [is_image(one) for one in (image, said, other)] == [True, False, False]
    assert images_of(Index(manifests=(other, said, image))) == (image,)


def test_no_platform_finds_an_attestation_even_when_it_claims_one() -> None:
    index = Index(manifests=(entry(AMD64, type="attestation-manifest", digest=SHA), entry(None, type="else")))
    assert select_platform(index, AMD64) is None


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({"type": "attestation-manifest", "digest": str(SHA)}, SHA),
        ({"type": "attestation-manifest", "digest": "sha256:no"}, None),
        ({"type": "attestation-manifest"}, None),
        ({"type": "something", "digest": str(SHA)}, None),
        ({"digest": str(SHA)}, None),
    ],
)
def test_the_image_that_is_attested_to(said: dict[str, str], want: Digest | None) -> None:
    assert attested_digest(entry(NO_PLATFORM, **said)) == want


def test_an_artifact_is_read_back_and_is_no_image_to_build_on() -> None:
    config = Descriptor(media_type=MediaType.OCI_EMPTY, digest=SHA, size_bytes=2)
    manifest = Manifest(config=config, layers=(), artifact_type="application/x", subject=entry(None))
    data = encode_manifest(manifest)
    assert decode_manifest(data, configs=CONFIG_TYPES_OF_ALL) == manifest
    with pytest.raises(SourceError, match="is no container image"):
        decode_manifest(data, ref="hello")
