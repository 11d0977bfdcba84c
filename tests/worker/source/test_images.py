from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.blocking import run_blocking
from llbuild.digest import sha256_digest
from llbuild.errors import CorruptError, SourceError
from llbuild.exporter import export_oci_folder, export_store
from llbuild.image import Descriptor, MediaType, parse_reference
from llbuild.platforms import Platform
from llbuild.tests.exporter.samples import AMD64, put_layer, sample_image
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry
from llbuild.values import replace
from llbuild.worker.content import ContentStore
from llbuild.worker.source import ImageSource, parse_identifier, resolve_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llbuild.exporter import AssembledImage
    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "root")


@pytest.fixture(name="maker")
def _maker(tmp_path: Path) -> ContentStore:
    """Where images are made that the store under test does not have."""
    return ContentStore(tmp_path / "maker")


@pytest.fixture(name="image")
def _image(maker: ContentStore) -> AssembledImage:
    return sample_image(maker)


@pytest.fixture(name="stored_image")
def _stored_image(store: ContentStore) -> AssembledImage:
    """In the store under test, as `busybox`."""
    image = sample_image(store)
    export_store(image, store, [parse_reference("busybox")])
    return image


@pytest.fixture(name="pushed")
def _pushed(maker: ContentStore, image: AssembledImage, registry: Registry, tmp_path: Path) -> str:
    """The image in a real registry, by the name to pull it by."""
    export_oci_folder(image, maker, [parse_reference("tool:1")], str(tmp_path / "layout"))
    return registry.push(f"oci:{tmp_path}/layout:1", "alice/tool:1")


@pytest.fixture(name="large")
def _large(maker: ContentStore, server: FakeRegistry) -> Descriptor:
    """A layer of several chunks, at the fake registry."""
    layer = put_layer(maker, {"f": os.urandom(5 << 20)}).descriptor
    server.answers[f"/v2/tool/blobs/{layer.digest}"] = Answer(body=stored(maker, layer))
    return layer


@pytest.fixture(name="damaged")
def _damaged(store: ContentStore, stored_image: AssembledImage) -> None:
    path = Path(store.path(stored_image.config_descriptor.digest))
    path.chmod(0o644)
    path.write_bytes(b"{}")


@pytest.fixture(name="served")
def _served(server: FakeRegistry, maker: ContentStore, image: AssembledImage) -> str:
    """The image at the fake registry, by the name to pull it by."""
    manifest, digest = Answer(body=image.manifest_blob), image.manifest_descriptor.digest
    manifest.headers = {"Docker-Content-Digest": digest, "Content-Type": image.manifest_descriptor.media_type}
    server.answers["/v2/tool/manifests/1"] = server.answers[f"/v2/tool/manifests/{digest}"] = manifest
    server.answers[f"/v2/tool/blobs/{image.config_descriptor.digest}"] = Answer(body=image.config_blob)
    for layer in image.layers:
        server.answers[f"/v2/tool/blobs/{layer.digest}"] = Answer(body=stored(maker, layer))
    return f"{server.address}/tool:1"


@pytest.fixture(name="server")
def _server() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        yield server


def nothing(what: str, current: int, total: int) -> None:
    """Nobody watches."""


def stored(store: ContentStore, descriptor: Descriptor) -> bytes:
    return Path(store.path(descriptor.digest)).read_bytes()


def index_of(*entries: tuple[Descriptor, str]) -> bytes:
    manifests = []
    for descriptor, platform in entries:
        system, architecture = platform.split("/")
        manifests.append(
            {
                "mediaType": descriptor.media_type,
                "digest": descriptor.digest,
                "size": descriptor.size_bytes,
                "platform": {"os": system, "architecture": architecture},
            }
        )
    return json.dumps({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": manifests}).encode()


async def test_an_image_is_pulled_from_a_real_registry(
    store: ContentStore, maker: ContentStore, image: AssembledImage, pushed: str
) -> None:
    async with ImageSource(store) as images:
        found = await images.resolve(pushed, AMD64)
        assert found.ref == pushed
        assert found.digest == found.manifest.digest == image.manifest_descriptor.digest
        assert found.config == image.config
        ((diff_id, layer),) = found.layers
        assert diff_id == image.config.diff_ids[0]
        assert not await run_blocking(store.has, layer.digest)
        heard: list[tuple[str, int, int]] = []
        await images.fetch_layer(pushed, layer, lambda *said: heard.append(said))
    assert await run_blocking(stored, store, layer) == await run_blocking(stored, maker, layer)
    assert heard[-1] == (f"downloading {layer.digest.short}", layer.size_bytes, layer.size_bytes)


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)


async def test_a_damaged_document_is_fetched_again(store: ContentStore, image: AssembledImage, pushed: str) -> None:
    documents = (image.manifest_descriptor, image.config_descriptor)
    async with ImageSource(store) as images:
        await images.resolve(pushed, AMD64)
        for document in documents:
            await run_blocking(damage, Path(store.path(document.digest)))
            assert (await images.resolve(pushed, AMD64)).config == image.config
            assert await run_blocking(store.verify, document.digest)


async def test_what_a_real_registry_does_not_have_is_one_error(store: ContentStore, registry: Registry) -> None:
    async with ImageSource(store) as images:
        with pytest.raises(SourceError) as caught:
            await images.resolve(f"{registry.address}/nothing:here", AMD64)
    assert caught.value.message.startswith(f"{registry.address}/nothing:here not found at 127.0.0.1")


async def test_an_image_of_the_store_needs_no_registry(store: ContentStore, stored_image: AssembledImage) -> None:
    async with ImageSource(store) as images:
        for text in ("busybox", "docker-image://docker.io/library/busybox:latest"):
            assert (await images.resolve(text, AMD64)).digest == stored_image.manifest_descriptor.digest
        pinned = await images.resolve(f"whatever@{stored_image.manifest_descriptor.digest}", AMD64, "pull")
        assert pinned.config == stored_image.config


async def test_a_registry_is_asked_again_but_not_for_what_is_here(
    store: ContentStore, server: FakeRegistry, served: str
) -> None:
    async with ImageSource(store) as images:
        await images.resolve(served, AMD64)
        asked = len(server.requests)
        assert asked == 3  # HEAD, manifest, config
        await images.resolve(served, AMD64, "local")
        assert len(server.requests) == asked
        await images.resolve(served, AMD64)
        await images.resolve(served, AMD64, "pull")
        assert server.requests[asked:] == ["HEAD /v2/tool/manifests/1"] * 2
    assert await run_blocking(store.images) == ()


@pytest.mark.usefixtures("served")
async def test_the_manifest_for_the_platform_is_chosen_and_the_index_is_what_is_pinned(
    store: ContentStore, server: FakeRegistry, image: AssembledImage
) -> None:
    foreign = replace(image.manifest_descriptor, digest=sha256_digest(b"other"))
    index = index_of((foreign, "linux/arm64"), (image.manifest_descriptor, "linux/amd64"))
    server.answers["/v2/tool/manifests/1"] = Answer(body=index)
    async with ImageSource(store) as images:
        found = await images.resolve(f"{server.address}/tool:1", AMD64)
        assert found.digest == found.target.digest == sha256_digest(index)
        assert found.manifest.digest == image.manifest_descriptor.digest
        with pytest.raises(SourceError) as caught:
            await images.resolve(f"{server.address}/tool:1", Platform(os="windows", architecture="amd64"))
    assert caught.value.message == f"{server.address}/tool:1 is not made for windows/amd64"
    assert caught.value.hint == "it is made for linux/amd64, linux/arm64"


async def test_tasks_that_want_one_layer_share_its_download(
    store: ContentStore, server: FakeRegistry, image: AssembledImage, served: str
) -> None:
    async with ImageSource(store) as images, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(images.fetch_layer, served, image.layers[0], nothing)
    assert server.requests == [f"GET /v2/tool/blobs/{image.layers[0].digest}"]


@pytest.mark.parametrize("flaw", ["other bytes than asked for", "is broken off"])
async def test_a_bad_layer_leaves_nothing_behind(
    store: ContentStore, server: FakeRegistry, image: AssembledImage, served: str, flaw: str
) -> None:
    answer = server.answers[f"/v2/tool/blobs/{image.layers[0].digest}"]
    answer.body = answer.body[:-1] + (b"" if flaw == "is broken off" else b"x")
    async with ImageSource(store) as images:
        with pytest.raises(SourceError, match=flaw):
            await images.fetch_layer(served, image.layers[0], nothing)
    assert not await run_blocking(store.has, image.layers[0].digest)
    assert os.listdir(f"{store.folder}/ingest") == []


async def test_a_cancelled_download_leaves_nothing_behind(
    store: ContentStore, server: FakeRegistry, large: Descriptor
) -> None:
    with anyio.CancelScope() as scope:
        async with ImageSource(store) as images:
            await images.fetch_layer(f"{server.address}/tool", large, lambda *_: scope.cancel())
    assert scope.cancelled_caught
    assert not await run_blocking(store.has, large.digest)
    assert os.listdir(f"{store.folder}/ingest") == []


async def test_a_config_that_does_not_fit_its_manifest_is_one_error(
    store: ContentStore, server: FakeRegistry, image: AssembledImage, served: str
) -> None:
    manifest = json.loads(image.manifest_blob)
    manifest["layers"] *= 2
    server.answers["/v2/tool/manifests/1"] = Answer(body=json.dumps(manifest).encode())
    async with ImageSource(store) as images:
        with pytest.raises(SourceError, match="its config lists 1 layers, its manifest 2"):
            await images.resolve(served, AMD64)


async def test_indexes_that_never_end_are_one_error(store: ContentStore, server: FakeRegistry) -> None:
    body = index_of()
    for _ in range(6):
        inner = sha256_digest(body)
        server.answers[f"/v2/tool/manifests/{inner}"] = Answer(body=body)
        pointer = Descriptor(media_type=MediaType.OCI_INDEX, digest=inner, size_bytes=len(body))
        body = index_of((pointer, "linux/amd64"))
    server.answers["/v2/tool/manifests/1"] = Answer(body=body)
    async with ImageSource(store) as images:
        with pytest.raises(SourceError, match="its indexes are nested deeper than 4"):
            await images.resolve(f"{server.address}/tool:1", AMD64)


@pytest.mark.usefixtures("damaged")
async def test_a_damaged_image_of_the_store_is_named_as_such(store: ContentStore) -> None:
    async with ImageSource(store) as images:
        with pytest.raises(CorruptError):
            await images.resolve("busybox", AMD64)


@pytest.mark.usefixtures("stored_image")
def test_what_this_machine_knows_is_told_without_an_event_loop(store: ContentStore) -> None:
    found = resolve_local(store, "busybox", AMD64)
    assert found is not None
    assert found.ref == "docker.io/library/busybox:latest"
    assert resolve_local(store, "alpine", AMD64) is None
    store.put_source("docker.io/library/alpine:latest", found.target)
    assert resolve_local(store, "alpine", AMD64) is not None
    assert resolve_local(store, "alpine", AMD64, sources=False) is None


IDENTIFIERS = [
    ("git://x", "'git://x' is no image: expected docker-image://… or oci-layout://…"),
    ("oci-layout://", "oci-layout:// names no folder or archive"),
    ("docker-image://A", "'A' is not an image reference: a repository name must be lower case"),
]


@pytest.mark.parametrize(("text", "message"), IDENTIFIERS)
def test_a_bad_identifier_says_what_is_expected(text: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_identifier(text)
    assert caught.value.message == message
