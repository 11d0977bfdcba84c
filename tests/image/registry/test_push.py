from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, Manifest, MediaType, RegistryPusher, encode_manifest, parse_reference
from llbuild.tests.faultproxy import serve_fault_proxy
from llbuild.tests.image.registry.upload_registry import UploadRegistry, serve_upload_registry
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.image import Reference
    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio

CHUNK = 1 << 20


def new_blob(size_bytes: int) -> tuple[Descriptor, bytes]:
    data = os.urandom(size_bytes)
    return Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(data), size_bytes=size_bytes), data


async def push(pusher: RegistryPusher, reference: Reference, blob: Descriptor, data: bytes) -> bool:
    return await pusher.push_blob(reference, blob, lambda: io.BytesIO(data), lambda *_: None)


async def pull(pusher: RegistryPusher, reference: Reference, blob: Descriptor) -> bytes:
    received = bytearray()

    async def sink(piece: bytes) -> None:
        received.extend(piece)

    await pusher.blob(reference, blob, sink)
    return bytes(received)


@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
async def test_what_is_pushed_can_be_pulled(registry: Registry, size_bytes: int) -> None:
    reference = parse_reference(f"{registry.address}/pushed/tool")
    blob, data = new_blob(size_bytes)
    async with RegistryPusher(chunk_bytes=CHUNK) as pusher:
        there = await pusher.has_blob(reference, blob.digest)  # of such short ones there are few
        assert await push(pusher, reference, blob, data) is not there
        assert await pull(pusher, reference, blob) == data
        assert not await push(pusher, reference, blob, data)


async def test_a_pushed_image_is_one_for_skopeo(registry: Registry) -> None:
    reference = parse_reference(f"{registry.address}/pushed/image:1")
    config, config_data = new_blob(0)
    config_data = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    config = Descriptor(media_type=MediaType.OCI_CONFIG, digest=sha256_digest(config_data), size_bytes=len(config_data))
    async with RegistryPusher() as pusher:
        await push(pusher, reference, config, config_data)
        manifest = encode_manifest(Manifest(config=config, layers=()))
        digest = await pusher.push_manifest(reference, MediaType.OCI_MANIFEST, manifest)
        assert (await pusher.manifest(reference)).descriptor.digest == digest
    skopeo = require_tool("skopeo")
    told = json.loads(run_tool([skopeo, "inspect", "--tls-verify=false", f"docker://{reference}"]))
    assert told["Digest"] == digest


async def test_a_manifest_whose_blobs_are_missing_is_refused_in_one_line(registry: Registry) -> None:
    reference = parse_reference(f"{registry.address}/pushed/broken:1")
    missing, _ = new_blob(10)
    manifest = encode_manifest(Manifest(config=missing, layers=()))
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match="pushed/broken:1"):
            await pusher.push_manifest(reference, MediaType.OCI_MANIFEST, manifest)


async def test_a_blob_of_another_repository_is_mounted_and_not_sent(registry: Registry) -> None:
    source = parse_reference(f"{registry.address}/pushed/source")
    target = parse_reference(f"{registry.address}/pushed/target")
    blob, data = new_blob(1000)
    async with RegistryPusher() as pusher:
        await push(pusher, source, blob, data)
        assert await pusher.mount_blob(target, blob.digest, source)
        assert await pusher.has_blob(target, blob.digest)


async def test_a_mount_of_what_is_not_there_begins_an_upload(registry: Registry) -> None:
    source = parse_reference(f"{registry.address}/pushed/nothing")
    target = parse_reference(f"{registry.address}/pushed/target")
    blob, data = new_blob(1000)
    async with RegistryPusher() as pusher:
        assert not await pusher.mount_blob(target, blob.digest, source)
        assert await push(pusher, target, blob, data)
        assert await pull(pusher, target, blob) == data


async def test_user_and_password_come_from_dockers_config(
    private_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(private_registry.login(tmp_path)))
    reference = parse_reference(f"{private_registry.address}/tool")
    blob, data = new_blob(3 * CHUNK)
    async with RegistryPusher(chunk_bytes=CHUNK) as pusher:
        assert await push(pusher, reference, blob, data)
        assert await pull(pusher, reference, blob) == data


async def test_a_stranger_is_refused_with_a_hint(
    private_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    reference = parse_reference(f"{private_registry.address}/tool")
    blob, data = new_blob(10)
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match="access denied by 127") as caught:
            await push(pusher, reference, blob, data)
    assert "log in" in caught.value.hint
    assert not caught.value.transient


async def test_a_wrong_password_is_told_with_its_origin(
    private_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = {"auths": {private_registry.address: {"username": "alice", "password": "guess"}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match="access denied") as caught:
            await pusher.manifest(parse_reference(f"{private_registry.address}/tool:1"))
    assert str(tmp_path / "auth.json") in caught.value.hint


@pytest.fixture(name="server")
def _server() -> Iterator[UploadRegistry]:
    with serve_upload_registry() as server:
        yield server


async def test_after_a_broken_connection_only_the_rest_is_sent(server: UploadRegistry) -> None:
    reference = parse_reference(f"{server.address}/tool")
    blob, data = new_blob(5000)
    server.break_after = 300
    async with RegistryPusher(chunk_bytes=2000) as pusher:
        with pytest.raises(SourceError) as caught:
            await push(pusher, reference, blob, data)
        assert caught.value.transient
        assert await push(pusher, reference, blob, data)
    assert server.blobs[blob.digest.hex] == data
    sent = [request for request in server.requests if request.startswith(("PATCH", "PUT"))]
    assert sent == [
        "PATCH upload 0-1999",
        "PATCH upload 300-2299",
        "PATCH upload 2300-4299",
        "PATCH upload 4300-4999",
        "PUT upload 0",
    ]


async def test_what_a_registry_forgot_is_sent_again(server: UploadRegistry) -> None:
    reference = parse_reference(f"{server.address}/tool")
    blob, data = new_blob(3000)
    server.break_after, server.keeps_broken = 300, False
    async with RegistryPusher(chunk_bytes=2000) as pusher:
        with pytest.raises(SourceError):
            await push(pusher, reference, blob, data)
        assert await push(pusher, reference, blob, data)
    assert server.blobs[blob.digest.hex] == data


async def test_a_registry_without_chunks_gets_blobs_whole(server: UploadRegistry) -> None:
    reference = parse_reference(f"{server.address}/tool")
    server.chunks = False
    async with RegistryPusher(chunk_bytes=2000) as pusher:
        for _ in range(2):
            blob, data = new_blob(5000)
            assert await push(pusher, reference, blob, data)
            assert server.blobs[blob.digest.hex] == data
    assert [request for request in server.requests if request.startswith("PATCH")] == ["PATCH upload 0-1999"]


async def test_chunks_are_no_smaller_than_the_registry_wants(server: UploadRegistry) -> None:
    server.least_chunk = "3000"
    blob, data = new_blob(5000)
    async with RegistryPusher(chunk_bytes=2000) as pusher:
        await push(pusher, parse_reference(f"{server.address}/tool"), blob, data)
    assert server.blobs[blob.digest.hex] == data
    assert "PATCH upload 0-2999" in server.requests


async def test_a_busy_registry_may_be_tried_again(server: UploadRegistry) -> None:
    server.busy = 1
    blob, data = new_blob(10)
    reference = parse_reference(f"{server.address}/tool")
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError) as caught:
            await push(pusher, reference, blob, data)
        assert caught.value.transient
        assert await push(pusher, reference, blob, data)


async def test_a_connection_for_questions_and_one_for_what_is_large_serve_a_push(registry: Registry) -> None:
    with serve_fault_proxy(registry.address) as proxy:
        reference = parse_reference(f"{proxy.address}/pushed/kept:1")
        async with RegistryPusher(chunk_bytes=CHUNK) as pusher:
            for size_bytes in (10, 2 * CHUNK, CHUNK):
                await push(pusher, reference, *new_blob(size_bytes))
        assert proxy.connections == 2
    methods = [request.partition(" ")[0] for request in proxy.requests]
    assert methods == ["HEAD", "POST", "PUT", "HEAD", "POST", "PATCH", "PATCH", "PUT", "HEAD", "POST", "PUT"]


async def push_empty_image(pusher: RegistryPusher, reference: Reference) -> None:
    data = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    config = Descriptor(media_type=MediaType.OCI_CONFIG, digest=sha256_digest(data), size_bytes=len(data))
    await push(pusher, reference, config, data)
    await pusher.push_manifest(reference, MediaType.OCI_MANIFEST, encode_manifest(Manifest(config=config, layers=())))


async def test_a_tag_that_is_right_already_is_not_set_again(registry: Registry) -> None:
    """Where tags are immutable, setting one again is an error even if it stays what it is."""
    with serve_fault_proxy(registry.address) as proxy:
        proxy.add("PUT .*manifests")  # the first one is let through
        proxy.add("PUT .*manifests", status=403, times=9)
        for _ in range(2):
            async with RegistryPusher() as pusher:
                await push_empty_image(pusher, parse_reference(f"{proxy.address}/pushed/immutable:{os.getpid()}"))


async def test_what_a_repository_is_known_to_have_is_not_asked_for_again(registry: Registry) -> None:
    with serve_fault_proxy(registry.address) as proxy:
        async with RegistryPusher() as pusher:
            for tag in ("1", "2", "3"):
                await push_empty_image(pusher, parse_reference(f"{proxy.address}/pushed/tags:{tag}"))
        assert len(proxy.seen("HEAD .*blobs")) == 1


async def test_a_mount_that_is_refused_is_an_upload(registry: Registry) -> None:
    blob, data = new_blob(1000)
    with serve_fault_proxy(registry.address) as proxy:
        source, target = (parse_reference(f"{proxy.address}/pushed/{name}") for name in ("source", "elsewhere"))
        proxy.add("POST .*mount=", status=403)
        async with RegistryPusher() as pusher:
            await push(pusher, source, blob, data)
            assert not await pusher.mount_blob(target, blob.digest, source)
            assert await push(pusher, target, blob, data)
            assert await pull(pusher, target, blob) == data
