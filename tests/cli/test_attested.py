"""Attestations as they are shown, whoever made them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.cli.attest.attached import describe_attestations, find_attestations
from llbuild.cli.attest.text import render_attestations
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.exporter import ImageForm, assemble_index, export_store
from llbuild.exporter.attest import Predicate, attest_image
from llbuild.image import (
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    Descriptor,
    MediaType,
    parse_reference,
)
from llbuild.tests.exporter.samples import open_store, sample_image
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.worker.content import ContentStore

HELLO = parse_reference("hello:1")
PROVENANCE = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"


def attested(store: ContentStore, *said: tuple[str, Any]) -> Descriptor:
    """An image with these predicates, in the store; what its name points at."""
    image = sample_image(store)
    predicates = [Predicate(type=kind, document=document, filename="x") for kind, document in said]
    made = assemble_index([image], ImageForm(), [attest_image(image, predicates, [HELLO])])
    export_store(made, store, [HELLO])
    return made.target


def shown(store: ContentStore, target: Descriptor) -> str:
    return render_attestations("hello", target, find_attestations(store, target, name="hello"))


def test_provenance_is_told_a_line_a_fact(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    document = {
        "buildDefinition": {
            "externalParameters": {
                "configSource": {"uri": "https://a/b.git#main", "path": "Dockerfile"},
                "request": {"frontend": "dockerfile.v0", "args": {"target": "x"}, "secrets": [{"id": "token"}]},
            },
            "resolvedDependencies": [{"uri": "pkg:docker/a@1", "digest": {"sha256": "00"}}],
            "internalParameters": {"buildConfig": {"llbDefinition": [{}, {}]}},
        },
        "runDetails": {
            "builder": {"id": "https://ci/1", "version": {"llbuild": "9"}},
            "metadata": {"startedOn": "2024-01-01T00:00:00Z", "finishedOn": "2024-01-01T00:00:03Z"},
        },
    }
    text = shown(store, attested(store, (PROVENANCE, document)))
    assert "linux/amd64 sha256:" in text
    facts = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert facts == [
        "builder       https://ci/1, llbuild 9",
        "built         2024-01-01T00:00:00Z, in 3.0s",
        "frontend      dockerfile.v0",
        "build file    Dockerfile of https://a/b.git#main",
        "argument      target=x",
        "secret        token",
        "made of       pkg:docker/a@1 sha256:00",
        "steps         2",
    ]


def test_packages_are_counted_and_listed_up_to_a_bound(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    packages = [
        {"externalRefs": [{"referenceType": "purl", "referenceLocator": f"pkg:deb/a{number}@1"}]}
        for number in range(50)
    ]
    document = {"creationInfo": {"created": "2024", "creators": ["Tool: x"], "comment": "y"}, "packages": packages}
    text = shown(store, attested(store, (SPDX, document)))
    assert "packages      50 deb" in text
    assert "pkg:deb/a39@1" in text
    assert "pkg:deb/a40@1" not in text
    assert "… 10 more" in text
    assert "comment       y" in text


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {"buildDefinition": [], "runDetails": 1},
        {"invocation": None, "materials": [1, None, {}]},
        {"packages": [1, {"externalRefs": 1}], "creationInfo": []},
        {"buildDefinition": {"externalParameters": {"request": {"args": {"a": ["\x1b[1m"]}, "secrets": [1]}}}},
    ],
)
@pytest.mark.parametrize("kind", [PROVENANCE, SPDX, "https://else/where"])
def test_whatever_a_stranger_wrote_is_shown_without_harm(tmp_path: Path, kind: str, document: Any) -> None:
    store = open_store(tmp_path)
    text = shown(store, attested(store, (kind, document)))
    assert all(line.isprintable() for line in text.split("\n"))
    assert kind in text


def test_terminals_and_encodings_are_safe_from_text_of_strangers(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    document = {"creationInfo": {"created": "\x1b]0;owned\x07\u202e\ud800", "creators": ["\x9b2J"]}, "packages": []}
    target = attested(store, (SPDX, document))
    assert "\x1b" not in shown(store, target)
    described = describe_attestations("hello", target, find_attestations(store, target, name="hello"))
    assert described.isascii()
    assert json.loads(described)["images"][0]["attestations"][0]["about_the_image"] is True


def test_a_statement_about_another_image_is_told_apart(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    image = sample_image(store)
    other = replace(image.manifest_descriptor, digest=sha256_digest(b"another"))
    said = attest_image(
        replace(image, manifest_descriptor=other), [Predicate(type=SPDX, document={}, filename="x")], []
    )
    claimed = replace(
        said.manifest_descriptor,
        annotations=((REFERENCE_DIGEST, image.target.digest), (REFERENCE_TYPE, "attestation-manifest")),
    )
    made = assemble_index([image], ImageForm(), [replace(said, manifest_descriptor=claimed)])
    export_store(made, store, [HELLO])
    assert "warning       this image is not among what it says it is about" in shown(store, made.target)


def test_what_is_damaged_or_missing_is_an_error_of_its_own_line(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    target = attested(store, (SPDX, {"packages": []}))
    ((statement,),) = (image.statements for image in find_attestations(store, target, name="hello"))
    store.remove(statement.digest)
    assert "error         the content store has no blob" in shown(store, target)


def test_an_image_without_an_index_has_nothing_said_of_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    image = sample_image(store)
    export_store(image, store, [HELLO])
    assert "nothing is said of it" in shown(store, image.target)


def test_a_damaged_index_is_one_clear_error(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    blob = store.write(b"{")
    target = Descriptor(media_type=MediaType.OCI_INDEX, digest=blob.digest, size_bytes=1)
    with pytest.raises(SourceError):
        find_attestations(store, target, name="hello")
