"""A real registry that believes a token server, and how often that is asked."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import anyio
import pytest
from llbuild.blocking import run_blocking
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import (
    Credentials,
    Descriptor,
    MediaType,
    RegistryClient,
    RegistryPusher,
    parse_reference,
    store_credentials,
    verify_login,
)
from llbuild.tests.fixtures_registry import PASSWORD, USER, serve_registry
from llbuild.tests.tokenserver import serve_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.image import Reference
    from llbuild.tests.fixtures_registry import Registry
    from llbuild.tests.tokenserver import TokenServer

pytestmark = pytest.mark.anyio


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, TokenServer]]:
    folder = tmp_path_factory.mktemp("tokens")
    with (
        serve_tokens(folder, user=USER, password=PASSWORD) as tokens,
        serve_registry(folder, auth=tokens.auth) as registry,
    ):
        yield registry, tokens


@pytest.fixture(name="registry_")
def _registry_(served: tuple[Registry, TokenServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry; nobody has logged in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    served[1].asked.clear()
    return served[0]


@pytest.fixture(name="tokens")
def _tokens(served: tuple[Registry, TokenServer]) -> Iterator[TokenServer]:
    yield served[1]
    served[1].gives_identity = False


def new_blob() -> tuple[Descriptor, bytes]:
    data = os.urandom(1000)
    return Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(data), size_bytes=len(data)), data


async def log_in(registry: Registry, credentials: Credentials) -> None:
    await run_blocking(store_credentials, registry.address, credentials, os.environ)


async def push(pusher: RegistryPusher, reference: Reference, blob: Descriptor, data: bytes) -> None:
    await pusher.push_blob(reference, blob, lambda: io.BytesIO(data), lambda *_: None)


async def pull(client: RegistryClient, reference: Reference, blob: Descriptor) -> None:
    received = bytearray()

    async def sink(piece: bytes) -> None:
        received.extend(piece)

    await client.blob(reference, blob, sink)
    assert sha256_digest(bytes(received)) == blob.digest


async def test_many_tasks_ask_for_one_token_and_one_that_may_push_may_pull(
    registry_: Registry, tokens: TokenServer
) -> None:
    await log_in(registry_, Credentials(username=USER, password=PASSWORD))
    reference = parse_reference(f"{registry_.address}/team/tool")
    blobs = [new_blob() for _ in range(8)]
    async with RegistryPusher() as pusher:
        async with anyio.create_task_group() as group:
            for blob, data in blobs:
                group.start_soon(push, pusher, reference, blob, data)
        for blob, _ in blobs:
            await pull(pusher, reference, blob)
    assert tokens.asked == [f"{USER}: repository:team/tool:pull,push"]


async def test_each_repository_has_a_token_of_its_own_and_the_registry_is_asked_once(
    registry_: Registry, tokens: TokenServer
) -> None:
    async with RegistryClient() as client:
        for name in ("a", "b", "a"):
            with pytest.raises(SourceError, match="not found"):
                await client.manifest(parse_reference(f"{registry_.address}/{name}/tool:1"))
    assert tokens.asked == ["a stranger: repository:a/tool:pull", "a stranger: repository:b/tool:pull"]


async def test_a_stranger_may_pull_but_not_push(registry_: Registry, tokens: TokenServer) -> None:
    async with RegistryPusher() as pusher:
        with pytest.raises(SourceError, match="access denied by 127") as caught:
            await push(pusher, parse_reference(f"{registry_.address}/team/tool"), *new_blob())
    assert "llbuild login" in caught.value.hint


async def test_a_mount_asks_for_both_repositories(registry_: Registry, tokens: TokenServer) -> None:
    await log_in(registry_, Credentials(username=USER, password=PASSWORD))
    source, target = (parse_reference(f"{registry_.address}/mount/{name}") for name in ("source", "target"))
    blob, data = new_blob()
    async with RegistryPusher() as pusher:
        await push(pusher, source, blob, data)
        assert await pusher.mount_blob(target, blob.digest, source)
        await pull(pusher, target, blob)
    assert tokens.asked[1:] == [f"{USER}: repository:mount/target:pull,push repository:mount/source:pull"]


async def test_a_login_that_gives_an_identity_token_keeps_no_password(
    registry_: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.gives_identity = True
    kept = await verify_login(registry_.address, Credentials(username=USER, password=PASSWORD), [])
    assert (kept.username, kept.password, kept.identity_token) == (USER, "", tokens.identity)
    await log_in(registry_, kept)
    assert PASSWORD not in (tmp_path / "config.json").read_text()
    reference = parse_reference(f"{registry_.address}/identity/tool")
    async with RegistryPusher() as pusher:
        await push(pusher, reference, *new_blob())
    assert tokens.asked == [f"{USER}:", f"{USER}: repository:identity/tool:pull,push"]


@pytest.mark.parametrize("wrong", [Credentials(username=USER, password="guess"), Credentials(identity_token="old")])
async def test_a_login_that_is_refused_says_why(registry_: Registry, tokens: TokenServer, wrong: Credentials) -> None:
    with pytest.raises(SourceError) as caught:
        await verify_login(registry_.address, wrong, [])
    assert caught.value.message.startswith(f"{registry_.address}: access denied by 127.0.0.1 (")
    assert caught.value.hint == "check user and password"


async def test_a_token_that_was_wrong_is_replaced(registry_: Registry, tokens: TokenServer) -> None:
    """As one is that has expired while the build went on."""
    await log_in(registry_, Credentials(username=USER, password=PASSWORD))
    reference = parse_reference(f"{registry_.address}/again/tool")
    async with RegistryPusher() as pusher:
        await push(pusher, reference, *new_blob())
        granted = pusher._admission._granted[reference.name]
        for access in granted:
            granted[access] = "Bearer of bad news"
        await push(pusher, reference, *new_blob())
    assert len(tokens.asked) == 2
