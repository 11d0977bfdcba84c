from __future__ import annotations

import json

import pytest
from llbuild.digest import Digest
from llbuild.errors import SourceError
from llbuild.image import (
    Descriptor,
    Index,
    Manifest,
    MediaType,
    decode_manifest,
    encode_index,
    encode_manifest,
    select_platform,
)
from llbuild.platforms import Platform, parse_platform

# What BuildKit wrote, indented and all.
BUILDKITS = b"""{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:dd067e871a6c236a830122f830d4587de6042d523e495a4654e74fd811edeb08",
    "size": 2028
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:7dd97f99c9ba96306ca415e3d6a6b00d54700060d8d96598dd3b03c476aa0dc9",
      "size": 102
    }
  ]
}"""
BUILDKITS_INDEX = b"""{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:a83419439ca4a0a1740ac65a47f7c0287372cbfa819d73d9c9b2d661602b776f",
      "size": 477,
      "platform": {
        "architecture": "amd64",
        "os": "linux"
      }
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:56246237552299ce5332838daaae6e846b6492d33c47e1acf529ff982f0d9ffd",
      "size": 836,
      "annotations": {
        "vnd.docker.reference.digest": "sha256:a83419439ca4a0a1740ac65a47f7c0287372cbfa819d73d9c9b2d661602b776f",
        "vnd.docker.reference.type": "attestation-manifest"
      },
      "platform": {
        "architecture": "unknown",
        "os": "unknown"
      }
    }
  ]
}"""


def test_what_buildkit_wrote_reads_and_writes_back_the_same() -> None:
    manifest, index = decode_manifest(BUILDKITS), decode_manifest(BUILDKITS_INDEX)
    assert isinstance(manifest, Manifest)
    assert isinstance(index, Index)
    assert encode_manifest(manifest) == BUILDKITS
    assert encode_index(index) == BUILDKITS_INDEX
    assert manifest.layers[0].size_bytes == 102


def test_an_image_without_layers_may_say_null_as_buildkit_does() -> None:
    data = json.dumps({**json.loads(BUILDKITS), "layers": None}).encode()
    manifest = decode_manifest(data)
    assert isinstance(manifest, Manifest)
    assert manifest.layers == ()


def test_annotations_are_sorted() -> None:
    descriptor = Descriptor(media_type="x", digest=Digest("sha256:" + "0" * 64), size_bytes=1)
    data = encode_manifest(Manifest(config=descriptor, layers=(), annotations=(("b", "1"), ("a", "2"))))
    assert data.endswith(b'"annotations": {\n    "a": "2",\n    "b": "1"\n  }\n}')


@pytest.mark.parametrize("kind", [MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST, ""])
def test_both_kinds_of_manifest_and_one_that_does_not_say_are_read(kind: str) -> None:
    found = decode_manifest(json.dumps({**json.loads(BUILDKITS), "mediaType": kind}).encode())
    assert isinstance(found, Manifest)


@pytest.mark.parametrize("kind", [MediaType.OCI_INDEX, MediaType.DOCKER_INDEX, ""])
def test_both_kinds_of_index_and_one_that_does_not_say_are_read(kind: str) -> None:
    found = decode_manifest(json.dumps({**json.loads(BUILDKITS_INDEX), "mediaType": kind}).encode())
    assert isinstance(found, Index)


def changed(data: bytes, **fields: object) -> bytes:
    return json.dumps({**json.loads(data), **fields}).encode()


def descriptor(**fields: object) -> dict[str, object]:
    return {"mediaType": MediaType.OCI_CONFIG, "digest": "sha256:" + "0" * 64, "size": 1, **fields}


BAD = [
    (changed(BUILDKITS, schemaVersion=1), "x is in Docker's schema 1, given up in 2017"),
    (
        changed(BUILDKITS, mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        "x is in Docker's schema 1, given up in 2017",
    ),
    (changed(BUILDKITS, schemaVersion=3), "image manifest: schemaVersion: expected 2, found 3"),
    (changed(BUILDKITS, mediaType="text/plain"), "image manifest: mediaType: expected an image manifest or index"),
    (changed(BUILDKITS, manifests=[]), "image manifest: mediaType: it says manifest, yet there is a list of manifests"),
    (changed(BUILDKITS_INDEX, layers=[]), "image manifest: mediaType: it says index, yet there are layers"),
    (changed(BUILDKITS, config=None), "image manifest: config: expected a descriptor, found nothing"),
    (changed(BUILDKITS, config=descriptor(mediaType="application/helm")), "x is no container image: its config is a"),
    (changed(BUILDKITS, layers=[descriptor(size=-1)]), "image manifest: layers[0].size: expected a number of bytes"),
    (changed(BUILDKITS, layers=[descriptor(digest="x")]), "image manifest: layers[0].digest: expected algorithm:hex"),
    (changed(BUILDKITS, layers=[descriptor(mediaType="")]), "image manifest: layers[0].mediaType: expected a media"),
    (changed(BUILDKITS, layers=[descriptor(size=2**70)]), "image manifest: layers[0].size: expected a 64-bit integer"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_bad_manifest_says_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        decode_manifest(data, ref="x")
    assert caught.value.message.startswith(message)


def platform_of(text: str) -> Platform:
    """As it is written in an index, not normalised."""
    system, architecture, variant = (*text.split("/"), "")[:3]
    return Platform(os=system, architecture=architecture, variant=variant)


def index_of(*platforms: str) -> Index:
    return Index(
        manifests=tuple(
            Descriptor(
                media_type=MediaType.OCI_MANIFEST,
                digest=Digest(f"sha256:{number:064}"),
                size_bytes=1,
                platform=platform_of(text) if text else None,
            )
            for number, text in enumerate(platforms)
        )
    )


# wanted, what the index has, which one is chosen: containerd's platforms.Only
PLATFORMS = [
    ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
    ("linux/amd64", ["linux/386", "linux/amd64"], 1),
    ("linux/amd64", ["linux/386"], 0),
    ("linux/amd64", ["windows/amd64", "linux/arm64"], None),
    ("linux/amd64", ["linux/amd64/v2", "linux/amd64"], 1),
    ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
    ("linux/amd64", ["linux/x86_64"], 0),
    ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], 1),
    ("linux/arm64/v8", ["linux/arm64"], 0),
    ("linux/arm64", ["linux/arm/v6", "linux/arm/v7"], 1),
    ("linux/arm64/v9.1", ["linux/arm64", "linux/arm64/v8.6", "linux/arm64/v9"], 2),
    ("linux/arm64/v9.1", ["linux/arm64", "linux/arm64/v8.6"], 1),
    ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], 1),
    ("linux/arm", ["linux/arm/v7"], 0),
    ("linux/riscv64", ["linux/riscv64"], 0),
    ("linux/s390x", ["linux/ppc64le"], None),
    ("linux/amd64", ["unknown/unknown"], None),
    ("linux/amd64", [""], 0),
    ("linux/amd64", ["", "linux/amd64"], 1),
    ("linux/amd64", [], None),
]


@pytest.mark.parametrize(("wanted", "there", "chosen"), PLATFORMS)
def test_the_best_platform_is_chosen(wanted: str, there: list[str], chosen: int | None) -> None:
    found = select_platform(index_of(*there), parse_platform(wanted))
    assert (None if found is None else int(found.digest.hex)) == chosen


def test_an_attestation_is_no_image_even_for_an_unknown_platform() -> None:
    index = decode_manifest(BUILDKITS_INDEX)
    assert isinstance(index, Index)
    assert select_platform(index, Platform(os="unknown", architecture="unknown")) is None
