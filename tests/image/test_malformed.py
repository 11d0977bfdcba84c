"""Whatever a registry sends for an image: it is an image, or one clear error. Never a traceback, never half of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from llbuild.cli.main import main
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType
from llbuild.platforms import Platform
from llbuild.tests.image.malformed import DOCUMENTS, documents, one_by_one, wrong_documents
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry
from llbuild.worker.source.resolved import MissingBlobError, ResolvedImage, load_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = Platform(os="linux", architecture="amd64")


def walk(kind: str, data: bytes) -> ResolvedImage | None:
    """From the index to the config, as a build walks. None: something was pointed at that does not exist."""
    blobs = {sha256_digest(document): document for document in documents(kind, data).values()}
    top = documents(kind, data)["index"]

    def read(wanted: Descriptor) -> bytes:
        if wanted.digest not in blobs:
            raise MissingBlobError(wanted)
        return blobs[wanted.digest]

    target = Descriptor(media_type=MediaType.OCI_INDEX, digest=sha256_digest(top), size_bytes=len(top))
    try:
        return load_image(read, target, HERE, ref="r.example/x:1")
    except MissingBlobError:
        return None


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_image_is_one_as_long_as_nothing_is_wrong(kind: str) -> None:
    found = walk(kind, json.dumps(DOCUMENTS[kind]).encode())
    assert found is not None
    assert len(found.layers) == 1


@settings(max_examples=400, deadline=None)
@given(wrong_documents())
def test_a_wrong_document_is_one_clear_error_or_harmless(wrong: tuple[str, bytes]) -> None:
    try:
        walk(*wrong)
    except SourceError as caught:
        error = caught
    else:
        return
    assert error.message.isprintable()
    assert len(error.message) < 400
    assert error.ref == "r.example/x:1"


@pytest.fixture(name="server")
def _server() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        yield server


def serve(server: FakeRegistry, kind: str, data: bytes) -> None:
    server.answers.clear()
    served = documents(kind, data)
    for name, document in served.items():
        where = "blobs" if name == "config" else "manifests"
        media_type = {"index": MediaType.OCI_INDEX, "manifest": MediaType.OCI_MANIFEST}.get(name, "")
        answer = Answer(body=document, headers={"Content-Type": media_type})
        server.answers[f"/v2/x/{where}/{sha256_digest(document)}"] = answer
    server.answers["/v2/x/manifests/1"] = server.answers[f"/v2/x/manifests/{sha256_digest(served['index'])}"]
    server.answers[f"/v2/x/blobs/{sha256_digest(b'a layer')}"] = Answer(body=b"a layer")


def pull(server: FakeRegistry, root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["pull", "-q", "--platform=linux/amd64", "--root", str(root), f"{server.address}/x:1"])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("wrong", one_by_one(60))
def test_a_pull_of_a_wrong_image_ends_in_one_error_or_well(
    server: FakeRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: tuple[str, bytes]
) -> None:
    serve(server, *wrong)
    code, said = pull(server, tmp_path, capsys)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert (code, len(errors)) in ((0, 0), (1, 1)), said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("content/ingest/*"))
    assert main(["images", "-q", "--root", str(tmp_path)]) in (0, 2)


SCHEMA_1 = {"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": [], "signatures": []}


def test_an_image_of_schema_1_is_refused_by_its_name(
    server: FakeRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    headers = {"Content-Type": kind, "Docker-Content-Digest": sha256_digest(b"without the signatures")}
    server.answers["/v2/x/manifests/1"] = Answer(body=json.dumps(SCHEMA_1).encode(), headers=headers)
    code, said = pull(server, tmp_path, capsys)
    assert code == 1
    assert f"error: {server.address}/x:1 is in Docker's schema 1, given up in 2017\n" in said


def test_a_manifest_of_more_than_4_mib_and_one_of_too_many_layers_are_refused(
    server: FakeRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    padded = json.dumps({**DOCUMENTS["index"], "annotations": {"a": "b" * (4 << 20)}}).encode()
    serve(server, "index", padded)
    assert "answered with more than 4096 KiB" in pull(server, tmp_path, capsys)[1]
    manifest = {**DOCUMENTS["manifest"], "layers": DOCUMENTS["manifest"]["layers"] * 4097}
    serve(server, "manifest", json.dumps(manifest).encode())
    assert "image manifest: layers: expected at most 4096 entries, found 4097" in pull(server, tmp_path, capsys)[1]


def test_indexes_lie_four_deep_at_most(
    server: FakeRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(server, "config", json.dumps(DOCUMENTS["config"]).encode())
    inner = server.answers["/v2/x/manifests/1"].body
    for _ in range(4):
        entry = {"mediaType": MediaType.OCI_INDEX, "digest": sha256_digest(inner), "size": len(inner)}
        inner = json.dumps({**DOCUMENTS["index"], "manifests": [entry]}).encode()
        answer = Answer(body=inner, headers={"Content-Type": MediaType.OCI_INDEX})
        server.answers[f"/v2/x/manifests/{sha256_digest(inner)}"] = server.answers["/v2/x/manifests/1"] = answer
    code, said = pull(server, tmp_path, capsys)
    assert code == 1
    assert "its indexes are nested deeper than 4" in said
