"""Statements, package URLs and the manifests that hold them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.exporter import AssembledIndex, ImageForm, assemble_index, export_store, stored_image
from llbuild.exporter.attest import (
    SPDX,
    Predicate,
    Subject,
    attest_image,
    encode_statement,
    image_purl,
    package_url,
    predicate_of,
)
from llbuild.image import EMPTY_CONFIG, parse_reference
from llbuild.platforms import Platform
from llbuild.tests.exporter.samples import open_store, sample_image

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.worker.content import ContentStore

HELLO = parse_reference("example.org/a/hello:1")
ARM = Platform(os="linux", architecture="arm", variant="v7")
SAID = Predicate(type=SPDX, document={"é": 1}, filename="sbom.spdx.json")


def attested(store: ContentStore, *, artifact: bool = True) -> AssembledIndex:
    image = sample_image(store)
    return assemble_index([image], ImageForm(), [attest_image(image, [SAID], [HELLO], artifact=artifact)])


@pytest.mark.parametrize(
    ("name", "platform", "want"),
    [
        ("busybox", None, "pkg:docker/busybox@latest"),
        ("busybox:1.36", ARM, "pkg:docker/busybox@1.36?platform=linux%2Farm%2Fv7"),
        ("alice/tool:1", None, "pkg:docker/alice/tool@1"),
        ("reg.example:5000/a/b/c:1", None, "pkg:docker/reg.example:5000/a/b/c@1"),
        (
            "busybox@sha256:" + "a" * 64,
            ARM,
            f"pkg:docker/busybox?digest=sha256:{'a' * 64}&platform=linux%2Farm%2Fv7",
        ),
    ],
)
def test_an_image_is_named_as_buildkit_names_it(name: str, platform: Platform | None, want: str) -> None:
    assert image_purl(parse_reference(name), platform) == want


def test_a_layout_is_named_by_its_path() -> None:
    assert image_purl("/srv/My Base", None, kind="oci") == "pkg:oci/%2Fsrv%2FMy%20Base"


def test_a_package_url_is_encoded_and_its_qualifiers_sorted() -> None:
    url = package_url("deb", "debian", "libstdc++6", "1:12+b1", {"distro": "debian-12", "arch": "amd64", "x": ""})
    assert url == "pkg:deb/debian/libstdc%2B%2B6@1:12%2Bb1?arch=amd64&distro=debian-12"


def test_a_statement_says_of_what_it_speaks() -> None:
    subject = Subject(name="bin/sh", digest=sha256_digest(b""))
    document = json.loads(encode_statement(SAID, [subject]))
    assert document == {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://spdx.dev/Document",
        "subject": [{"name": "bin/sh", "digest": {"sha256": sha256_digest(b"").hex}}],
        "predicate": {"é": 1},
    }
    assert predicate_of(encode_statement(SAID, [subject], indent=True)) == document


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"predicateType": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_statement_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="statement|JSON|column|decode|nested|Expecting"):
        predicate_of(data)


def test_an_image_is_the_same_with_and_without_attestations(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    index = json.loads(attested(store).index_blob)
    image, said = index["manifests"]
    assert image["digest"] == sample_image(store).target.digest
    assert said["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert said["annotations"] == {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    }


def test_an_attestation_is_an_artifact_about_its_image(tmp_path: Path) -> None:
    made = attested(open_store(tmp_path))
    (image,), (attestation,) = made.images, made.attestations
    manifest = json.loads(attestation.manifest_blob)
    assert manifest["artifactType"] == "application/vnd.docker.attestation.manifest.v1+json"
    assert manifest["subject"] == {
        "mediaType": image.target.media_type,
        "digest": image.target.digest,
        "size": image.target.size_bytes,
    }
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": sha256_digest(EMPTY_CONFIG),
        "size": 2,
    }
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.in-toto+json"
    assert layer["annotations"] == {"in-toto.io/predicate-type": SPDX}
    ((_, statement),) = attestation.statements
    assert sha256_digest(statement) == layer["digest"]
    assert json.loads(statement)["subject"] == [
        {
            "name": "pkg:docker/example.org/a/hello@1?platform=linux%2Famd64",
            "digest": {"sha256": image.target.digest.hex},
        }
    ]


def test_the_older_form_looks_like_an_image(tmp_path: Path) -> None:
    (attestation,) = attested(open_store(tmp_path), artifact=False).attestations
    manifest = json.loads(attestation.manifest_blob)
    assert "subject" not in manifest
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    config = json.loads(attestation.config_blob)
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"] for layer in manifest["layers"]]}


@pytest.mark.parametrize("artifact", [True, False])
def test_a_store_gives_it_all_back_byte_by_byte(tmp_path: Path, artifact: bool) -> None:
    store = open_store(tmp_path)
    made = attested(store, artifact=artifact)
    export_store(made, store, [HELLO])
    found = stored_image(store, made.target, name="hello")
    assert list(found.small_blobs()) == list(made.small_blobs())
    assert len(found.images) == 1
