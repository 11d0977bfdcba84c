"""Registries with certificates of their own: real ones, on loopback."""

from __future__ import annotations

import io
import os
import shutil
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType, RegistryConfig, RegistryPusher, parse_reference
from llbuild.tests.certificates import Authority, new_authority
from llbuild.tests.fixtures_registry import serve_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.image import Reference
    from llbuild.tests.fixtures_registry import Registry

pytestmark = pytest.mark.anyio


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(name="secure", scope="module")
def _secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("secure"), tls=authority.sign("server")) as served:
        yield served


@pytest.fixture(name="strict", scope="module")
def _strict(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    """One that lets nobody in without a certificate."""
    pair = authority.sign("strict")
    with serve_registry(tmp_path_factory.mktemp("strict"), tls=pair, clients=authority.own.cert) as served:
        yield served


async def exchange(reference: Reference, *registries: RegistryConfig, size_bytes: int = 100) -> None:
    """Push a blob and pull it again."""
    data, received = os.urandom(size_bytes), bytearray()

    async def sink(piece: bytes) -> None:
        received.extend(piece)

    blob = Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(data), size_bytes=len(data))
    async with RegistryPusher(registries) as pusher:
        assert await pusher.push_blob(reference, blob, lambda: io.BytesIO(data), lambda *_: None)
        await pusher.blob(reference, blob, sink)
    assert received == data


async def failure(reference: Reference, *registries: RegistryConfig) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await exchange(reference, *registries)
    assert not caught.value.transient
    return caught.value


async def test_an_authority_of_ones_own_is_trusted_where_the_config_names_it(
    secure: Registry, authority: Authority
) -> None:
    reference = parse_reference(f"{secure.address}/tool")
    await exchange(reference, RegistryConfig(host=secure.address, ca=(str(authority.own.cert),)))


async def test_what_is_large_is_encrypted_as_well(secure: Registry, authority: Authority) -> None:
    reference = parse_reference(f"{secure.address}/large")
    trusted = RegistryConfig(host=secure.address, ca=(str(authority.own.cert),))
    await exchange(reference, trusted, size_bytes=(5 << 20) + 1)


async def test_http2_is_spoken_where_the_config_says_so(secure: Registry, authority: Authority) -> None:
    reference = parse_reference(f"{secure.address}/frames")
    trusted = RegistryConfig(host=secure.address, ca=(str(authority.own.cert),), http2=True)
    await exchange(reference, trusted, size_bytes=3 << 20)


@pytest.mark.parametrize(("http2", "wanted"), [(True, "h2"), (False, "http/1.1")])
async def test_the_protocol_is_agreed_upon_with_tls(authority: Authority, http2: bool, wanted: str) -> None:
    pair = authority.sign(f"alpn-{wanted[:2]}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    agreed = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as peer, context.wrap_socket(peer, server_side=True) as shaken:
                agreed.append(shaken.selected_alpn_protocol())

        thread = threading.Thread(target=serve)
        thread.start()
        host = f"127.0.0.1:{server.getsockname()[1]}"
        ours = RegistryConfig(host=host, ca=(str(authority.own.cert),), http2=http2)
        async with RegistryPusher([ours]) as pusher:
            with pytest.raises(SourceError):
                await pusher.digest(parse_reference(f"{host}/tool"))
        thread.join()
    assert agreed == [wanted]


async def test_http2_without_its_package_is_told(secure: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2", None)
    error = await failure(parse_reference(f"{secure.address}/tool"), RegistryConfig(host=secure.address, http2=True))
    assert "HTTP/2 needs the Python package h2" in error.message
    assert "llbuild[http2]" in error.hint


async def test_an_authority_in_a_folder_of_podmans_is_trusted(
    secure: Registry, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "containers/certs.d" / secure.address
    folder.mkdir(parents=True)
    shutil.copy(authority.own.cert, folder / "own.crt")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    await exchange(parse_reference(f"{secure.address}/tool"))


async def test_an_authority_of_the_environment_is_trusted(
    secure: Registry, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.own.cert))
    await exchange(parse_reference(f"{secure.address}/tool"), RegistryConfig(host=secure.address, http=False))


async def test_an_authority_that_nobody_named_is_told_with_what_to_do(secure: Registry) -> None:
    error = await failure(parse_reference(f"{secure.address}/tool"), RegistryConfig(host=secure.address, http=False))
    assert f"cannot reach {secure.address}: its certificate is not to be trusted: unable to get" in error.message
    assert f'ca in [registry."{secure.address}"]' in error.hint


async def test_a_certificate_for_another_host_is_not_trusted(secure: Registry, authority: Authority) -> None:
    other = secure.address.replace("127.0.0.1", "127.0.0.2")
    strange = RegistryConfig(host=other, ca=(str(authority.own.cert),))
    with pytest.raises(SourceError, match="Connection refused"):  # it listens on one address only
        await exchange(parse_reference(f"{other}/tool"), strange)
    localhost = secure.address.replace("127.0.0.1", "localhost")
    known = RegistryConfig(host=localhost, ca=(str(authority.own.cert),))
    await exchange(parse_reference(f"{localhost}/tool"), known)


async def test_whoever_need_not_prove_anything_is_believed(secure: Registry) -> None:
    reference = parse_reference(f"{secure.address}/tool")
    await exchange(reference, RegistryConfig(host=secure.address, insecure=True))
    await exchange(reference, RegistryConfig(host=secure.address, insecure=True, http=True), size_bytes=1 << 20)


async def test_a_registry_without_tls_is_spoken_to_where_it_need_not_have_any(registry: Registry) -> None:
    reference = parse_reference(f"{registry.address}/tool")
    await exchange(reference, RegistryConfig(host=registry.address, insecure=True, http=True))
    error = await failure(reference, RegistryConfig(host=registry.address, insecure=True))
    assert "TLS failed: " in error.message
    assert f'http = true in [registry."{registry.address}"]' in error.hint


async def test_a_client_shows_its_certificate(strict: Registry, authority: Authority) -> None:
    reference = parse_reference(f"{strict.address}/tool")
    client, ca = authority.sign("client", client=True), (str(authority.own.cert),)
    pair = (str(client.key), str(client.cert))
    await exchange(reference, RegistryConfig(host=strict.address, ca=ca, keypair=(pair,)))
    error = await failure(reference, RegistryConfig(host=strict.address, ca=ca))
    assert f"cannot reach {strict.address}: TLS failed: " in error.message
    assert f'keypair in [registry."{strict.address}"]' in error.hint


async def test_a_key_with_a_password_is_no_question_on_the_terminal(authority: Authority, tmp_path: Path) -> None:
    from llbuild.tests.tools import require_tool, run_tool

    client, locked = authority.sign("locked", client=True), tmp_path / "locked.pem"
    run_tool([require_tool("openssl"), "ec", "-in", client.key, "-aes256", "-passout", "pass:x", "-out", locked])
    config = RegistryConfig(host="127.0.0.1:1", keypair=((str(locked), str(client.cert)),))
    error = await failure(parse_reference("127.0.0.1:1/tool"), config)
    assert "needs a password" in error.message
