"""Mirrors: asked in their order, believed when their bytes are right, and never written to."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from llbuild.blocking import run_blocking
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType, RegistryClient, RegistryConfig, RegistryPusher, parse_reference
from llbuild.tests.faultproxy import serve_fault_proxy
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry
from llbuild.worker.content import ContentStore
from llbuild.worker.source import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio

NOBODY = "127.0.0.1:1"  # tcpmux: nobody listens there
ORIGIN = "registry.invalid"
MANIFEST = b'{"schemaVersion":2}'
BLOB = bytes(range(256)) * 4096
LAYER = Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(BLOB), size_bytes=len(BLOB))
IMAGE = parse_reference(f"{ORIGIN}/team/tool:1")


@pytest.fixture(name="mirror")
def _mirror() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        yield server


@pytest.fixture(name="other")
def _other() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        server.answers["/v2/hub/team/tool/manifests/1"] = Answer(body=MANIFEST)
        server.answers[f"/v2/hub/team/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB)
        yield server


def mirrored(*mirrors: str) -> list[RegistryConfig]:
    return [RegistryConfig(host=ORIGIN, mirrors=mirrors)]


async def blob(client: RegistryClient) -> bytes:
    received = bytearray()

    async def sink(piece: bytes) -> None:
        received.extend(piece)

    await client.blob(IMAGE, LAYER, sink)
    return bytes(received)


async def test_a_mirror_answers_under_its_path_and_is_told_whom_it_stands_for(other: FakeRegistry) -> None:
    async with RegistryClient(mirrored(f"{other.address}/hub/")) as client:
        assert (await client.manifest(IMAGE)).data == MANIFEST
        assert await blob(client) == BLOB
    assert other.requests == [
        f"GET /v2/hub/team/tool/manifests/1?ns={ORIGIN}",
        f"GET /v2/hub/team/tool/blobs/{LAYER.digest}?ns={ORIGIN}",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=401),
        Answer(status=429),
        Answer(status=500),
        Answer(body=b"x" * len(MANIFEST), headers={"Docker-Content-Digest": sha256_digest(MANIFEST)}),
        Answer(body=MANIFEST[:5], length=len(MANIFEST)),
    ],
)
async def test_what_one_mirror_cannot_give_the_next_is_asked_for(
    mirror: FakeRegistry, other: FakeRegistry, answer: Answer
) -> None:
    mirror.answers["/v2/team/tool/manifests/1"] = answer
    async with RegistryClient(mirrored(mirror.address, f"{other.address}/hub")) as client:
        assert (await client.manifest(IMAGE)).data == MANIFEST
    assert len(mirror.requests) == len(other.requests) == 1


async def test_a_blob_goes_on_at_the_next_mirror_where_it_broke(mirror: FakeRegistry, other: FakeRegistry) -> None:
    mirror.answers[f"/v2/team/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB[:100], length=len(BLOB))
    async with RegistryClient(mirrored(mirror.address, f"{other.address}/hub")) as client:
        assert await blob(client) == BLOB


async def test_a_mirror_that_is_not_there_is_left_alone_and_the_registry_asked(other: FakeRegistry) -> None:
    home = RegistryConfig(host=other.address, mirrors=(NOBODY,))
    image = parse_reference(f"{other.address}/hub/team/tool:1")
    async with RegistryClient([home]) as client:
        assert (await client.manifest(image)).data == MANIFEST
        with pytest.raises(SourceError) as caught:
            await client.manifest(parse_reference(f"{other.address}/hub/team/tool:2"))
    assert caught.value.message == f"{other.address}/hub/team/tool:2 not found at 127.0.0.1"  # no word of the mirror


async def test_what_nobody_has_is_told_with_what_the_mirrors_said(mirror: FakeRegistry) -> None:
    async with RegistryClient(mirrored(NOBODY, mirror.address)) as client:
        with pytest.raises(SourceError) as caught:
            await client.manifest(IMAGE)
    own, first, second = caught.value.message.split("; ")
    assert own.startswith(f"{IMAGE}: cannot reach {ORIGIN}: ")
    assert first == f"mirror {NOBODY}: {NOBODY}/team/tool:1: cannot reach {NOBODY}: Connection refused"
    assert second == f"mirror {mirror.address}: {mirror.address}/team/tool:1 not found at 127.0.0.1"


async def test_a_mirror_that_sends_other_bytes_is_not_asked_again(other: FakeRegistry, tmp_path: Path) -> None:
    store = await run_blocking(ContentStore, tmp_path / "root")
    with serve_fault_proxy(other.address) as proxy:
        proxy.add("GET .*blobs", flip=7, times=9)
        registries = mirrored(f"{proxy.address}/hub", f"{other.address}/hub")
        async with ImageSource(store, registries=registries) as images:
            await images.fetch_layer(str(IMAGE), LAYER, lambda *_: None)
            assert (await images.registry().manifest(IMAGE)).data == MANIFEST
        assert len(proxy.requests) == 1
    assert await run_blocking(store.has, LAYER.digest, LAYER.size_bytes)


async def test_a_mirror_is_told_the_password_for_the_mirror(
    private_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(await run_blocking(private_registry.login, tmp_path)))
    data, hub = os.urandom(100), parse_reference(f"{private_registry.address}/hub/library/tool")
    own = Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(data), size_bytes=len(data))
    received: list[bytes] = []

    async def sink(piece: bytes) -> None:
        received.append(piece)

    mirror = RegistryConfig(host="docker.io", mirrors=(f"http://{private_registry.address}/hub",))
    async with RegistryPusher([mirror]) as client:
        await client.push_blob(hub, own, lambda: io.BytesIO(data), lambda *_: None)
        await client.blob(parse_reference("tool"), own, sink)
    assert b"".join(received) == data


async def test_pushes_go_to_the_registry(registry: Registry, mirror: FakeRegistry) -> None:
    data = os.urandom(100)
    own = Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(data), size_bytes=len(data))
    image = parse_reference(f"{registry.address}/mirrored/tool")
    async with RegistryPusher([RegistryConfig(host=registry.address, mirrors=(mirror.address,))]) as pusher:
        assert await pusher.push_blob(image, own, lambda: io.BytesIO(data), lambda *_: None)
        assert await pusher.has_blob(image, own.digest)
    assert not mirror.requests


async def test_connections_are_kept(other: FakeRegistry) -> None:
    with serve_fault_proxy(other.address) as proxy:
        image = parse_reference(f"{proxy.address}/hub/team/tool:1")
        async with RegistryClient() as client:
            for _ in range(5):
                await client.manifest(image)
                await client.digest(image)
        assert (len(proxy.requests), proxy.connections) == (10, 1)
