"""What refers to an image: listed by the registry, or by its clients where it does not."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType, RegistryClient, RegistryPusher, parse_reference
from llbuild.image.registry.referrers import referrer_of, referrers_tag, with_referrer
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llbuild.image import Reference
    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio

EMPTY = b"{}"
SUBJECT = sha256_digest(b"subject")


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256_digest(data), "size": len(data)}


def artifact(subject: dict[str, Any], kind: str, note: str = "") -> bytes:
    """A manifest of something about an image. Spec: OCI image-spec 1.1, "Guidelines for Artifact Usage"."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST,
            "artifactType": kind,
            "config": descriptor(EMPTY, "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(EMPTY, "application/vnd.oci.empty.v1+json")],
            "subject": subject,
            "annotations": {"note": note},
        }
    ).encode()


async def push_image(pusher: RegistryPusher, reference: Reference) -> dict[str, Any]:
    """Something to refer to: the smallest image that a registry takes."""
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": []}, "author": os.urandom(4).hex()}).encode()
    for data in (config, EMPTY):
        blob = Descriptor(media_type=MediaType.OCI_CONFIG, digest=sha256_digest(data), size_bytes=len(data))
        await pusher.push_blob(reference, blob, lambda data=data: io.BytesIO(data), lambda *_: None)  # type: ignore[misc]
    manifest = {"schemaVersion": 2, "config": descriptor(config, MediaType.OCI_CONFIG), "layers": []}
    data = json.dumps({**manifest, "mediaType": MediaType.OCI_MANIFEST}).encode()
    await pusher.push_manifest(reference, MediaType.OCI_MANIFEST, data)
    return descriptor(data, MediaType.OCI_MANIFEST)


async def test_where_the_registry_keeps_no_list_the_client_does(registry: Registry) -> None:
    reference = parse_reference(f"{registry.address}/referred/tool:1")
    inside = parse_reference(f"{registry.address}/referred/tool")
    async with RegistryPusher() as pusher:
        subject = await push_image(pusher, reference)
        assert await pusher.referrers(reference, subject["digest"]) == ()
        manifests = [artifact(subject, "application/x.a", str(number)) for number in range(4)]
        manifests.append(artifact(subject, "application/x.b"))
        async with anyio.create_task_group() as group:
            for data in manifests:
                pinned = parse_reference(f"{inside.name}@{sha256_digest(data)}")
                group.start_soon(pusher.push_manifest, pinned, MediaType.OCI_MANIFEST, data)
        await pusher.push_manifest(pinned, MediaType.OCI_MANIFEST, manifests[-1])  # once more
        found = await pusher.referrers(reference, subject["digest"])
        assert {entry.digest for entry in found} == {sha256_digest(data) for data in manifests}
        assert len(found) == len(manifests)
        (one,) = await pusher.referrers(reference, subject["digest"], "application/x.b")
    assert one == Descriptor(
        media_type=MediaType.OCI_MANIFEST,
        digest=sha256_digest(manifests[-1]),
        size_bytes=len(manifests[-1]),
        artifact_type="application/x.b",
        annotations=(("note", ""),),
    )


@pytest.fixture(name="server")
def _server() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        yield server


def index_of(*kinds: str) -> bytes:
    entries = [
        {**descriptor(kind.encode(), MediaType.OCI_MANIFEST), "artifactType": kind, "urls": ["x"]} for kind in kinds
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": entries, "x": 1}).encode()


async def test_a_registry_that_keeps_the_list_is_asked_for_all_its_pages(server: FakeRegistry) -> None:
    path = f"/v2/tool/referrers/{SUBJECT}"
    server.answers[path] = Answer(body=index_of("a", "b"), headers={"Link": '</more>; rel="next"'})
    server.answers["/more"] = Answer(body=index_of("a"))
    async with RegistryClient() as plain:
        assert not hasattr(plain, "referrers")
    async with RegistryPusher() as client:
        found = await client.referrers(parse_reference(f"{server.address}/tool"), SUBJECT, "a")
    assert [entry.artifact_type for entry in found] == ["a", "a"]
    assert server.requests == [f"GET {path}?artifactType=a", "GET /more"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(body=b"{}"), "schemaVersion"),
        (Answer(body=artifact(descriptor(b"", "x"), "y")), "no container image"),
        (Answer(status=500), "answered 500"),
        (Answer(body=index_of("a"), headers={"Link": '<http://example.com/>; rel="next"'}), "sends us to"),
    ],
)
async def test_a_list_that_is_none_is_one_error(server: FakeRegistry, answer: Answer, words: str) -> None:
    server.answers[f"/v2/tool/referrers/{SUBJECT}"] = answer
    async with RegistryPusher() as client:
        with pytest.raises(SourceError, match=words):
            await client.referrers(parse_reference(f"{server.address}/tool"), SUBJECT)


def test_an_entry_says_what_its_manifest_says() -> None:
    data = artifact(descriptor(b"subject", MediaType.OCI_MANIFEST), "application/x.a", "n")
    found = referrer_of(data, MediaType.OCI_MANIFEST, ref="x")
    assert found is not None
    assert found[0] == SUBJECT
    assert (found[1].artifact_type, found[1].annotations) == ("application/x.a", (("note", "n"),))
    untyped = json.loads(data)
    del untyped["artifactType"]
    found = referrer_of(json.dumps(untyped).encode(), MediaType.OCI_MANIFEST, ref="x")
    assert found is not None
    assert found[1].artifact_type == "application/vnd.oci.empty.v1+json"
    assert referrer_of(b"{}", MediaType.OCI_MANIFEST, ref="x") is None
    with pytest.raises(SourceError, match="subject"):
        referrer_of(b'{"subject":3}', MediaType.OCI_MANIFEST, ref="x")


def test_a_list_keeps_what_others_wrote() -> None:
    entry = Descriptor(media_type="m", digest=sha256_digest(b"new"), size_bytes=3, artifact_type="c")
    grown = with_referrer(index_of("a"), entry, ref="x")
    assert grown is not None
    fields = json.loads(grown)
    assert (fields["x"], fields["manifests"][0]["urls"]) == (1, ["x"])
    assert [item["artifactType"] for item in fields["manifests"]] == ["a", "c"]
    assert with_referrer(grown, entry, ref="x") is None


def test_the_tag_is_the_digest_with_a_dash() -> None:
    assert referrers_tag(SUBJECT) == str(SUBJECT).replace(":", "-")
