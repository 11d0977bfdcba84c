"""Large bodies, which go out on connections of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.blocking import run_blocking
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType, RegistryConfig, RegistryPusher, parse_reference
from llbuild.tests.faultproxy import serve_fault_proxy
from llbuild.tests.image.registry.upload_registry import UploadRegistry, serve_upload_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from llbuild.image import Reference
    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio

MIB = 1 << 20


class Blob:
    """A file and its descriptor. `told`: what was reported, in bytes."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.path = folder / f"blob{size_bytes}"
        self.data = os.urandom(size_bytes)
        self.path.write_bytes(self.data)
        self.descriptor = Descriptor(
            media_type=MediaType.OCI_LAYER, digest=sha256_digest(self.data), size_bytes=size_bytes
        )
        self.told: list[int] = []

    async def push(self, pusher: RegistryPusher, reference: Reference) -> bool:
        return await pusher.push_blob(reference, self.descriptor, self._open, self._report)

    def _open(self) -> BinaryIO:
        return self.path.open("rb")

    def _report(self, what: str, current: int, total: int) -> None:
        assert total == len(self.data), what
        self.told.append(current)


@pytest.fixture
def server() -> Iterator[UploadRegistry]:
    with serve_upload_registry() as registry:
        yield registry


@pytest.fixture(name="reference")
def _reference(server: UploadRegistry) -> Reference:
    return parse_reference(f"{server.address}/tool")


@pytest.mark.parametrize("size_bytes", [64 << 10, (64 << 10) + 1, 9 * MIB + 7])
@pytest.mark.parametrize("chunk_bytes", [2 * MIB, 64 * MIB])
async def test_a_file_arrives_as_it_is(registry: Registry, tmp_path: Path, size_bytes: int, chunk_bytes: int) -> None:
    reference, blob = parse_reference(f"{registry.address}/sent/files"), Blob(tmp_path, size_bytes)
    async with RegistryPusher(chunk_bytes=chunk_bytes) as pusher:
        assert await blob.push(pusher, reference)
    assert registry.blob_file(blob.descriptor.digest).read_bytes() == blob.data
    assert blob.told == sorted(blob.told)
    assert blob.told[-1] == size_bytes


async def test_a_push_that_is_cancelled_waits_for_no_registry(
    server: UploadRegistry, reference: Reference, tmp_path: Path
) -> None:
    server.stalls = True
    blob = Blob(tmp_path, 32 * MIB)  # more than the kernel takes off our hands
    with anyio.fail_after(30):  # the registry keeps silent for longer
        async with RegistryPusher() as pusher, anyio.create_task_group() as group:
            group.start_soon(blob.push, pusher, reference)
            assert await run_blocking(server.stalled.wait, 20)
            group.cancel_scope.cancel()
    assert blob.told[-1:] != [len(blob.data)]


async def test_a_registry_that_hangs_up_after_each_blob_gets_the_next_on_a_new_connection(
    server: UploadRegistry, reference: Reference, tmp_path: Path
) -> None:
    server.hangs_up = True
    async with RegistryPusher() as pusher:
        for size_bytes in (MIB, MIB + 1, MIB + 2):
            blob = Blob(tmp_path, size_bytes)
            assert await blob.push(pusher, reference)
            assert server.blobs[blob.descriptor.digest.hex] == blob.data


async def test_what_is_refused_half_way_is_told_as_the_registry_tells_it(
    server: UploadRegistry, reference: Reference, tmp_path: Path
) -> None:
    server.refuse_after = MIB
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match=r"answered 413 \(no more than a megabyte\)") as caught:
            await Blob(tmp_path, 32 * MIB).push(pusher, reference)
    assert not caught.value.transient


async def test_a_file_that_shrank_is_told(server: UploadRegistry, reference: Reference, tmp_path: Path) -> None:
    blob = Blob(tmp_path, 2 * MIB)
    os.truncate(blob.path, MIB)
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match=f"blob {blob.descriptor.digest} is shorter than {2 * MIB} bytes"):
            await blob.push(pusher, reference)
    assert not server.blobs


async def test_a_registry_that_went_away_is_told(server: UploadRegistry, reference: Reference, tmp_path: Path) -> None:
    blob = Blob(tmp_path, 2 * MIB)
    server.break_after = MIB
    async with RegistryPusher(chunk_bytes=MIB) as pusher:
        with pytest.raises(SourceError, match="cannot reach") as caught:
            await blob.push(pusher, reference)
        assert caught.value.transient


async def test_what_goes_by_a_proxy_goes_by_it_whole(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, blob = parse_reference("registry.test:5000/by/proxy"), Blob(tmp_path, 9 * MIB)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve_fault_proxy(registry.address) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        plain = RegistryConfig(host=reference.domain, http=True)
        async with RegistryPusher([plain], chunk_bytes=4 * MIB) as pusher:
            assert await blob.push(pusher, reference)
    assert len(proxy.seen("^PATCH")) == 3
    assert registry.blob_file(blob.descriptor.digest).read_bytes() == blob.data
    assert blob.told[-1] == len(blob.data)
