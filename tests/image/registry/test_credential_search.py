from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.errors import SourceError
from llbuild.image import RegistryClient, parse_reference
from llbuild.image.registry.credential_search import find_credentials
from llbuild.image.registry.credentials import Credentials
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def packed(text: str) -> str:
    return b64encode(text.encode()).decode()


ALICE, BOB = {"auth": packed("alice:a:b")}, {"auth": packed("bob:b")}
# (auths, reference, user and password)
ENTRIES: list[tuple[dict[str, Any], str, tuple[str, str] | None]] = [
    ({"example.com": ALICE}, "example.com/tool", ("alice", "a:b")),
    ({"example.com:5000": ALICE}, "example.com:5000/tool", ("alice", "a:b")),
    ({"example.com": ALICE}, "example.com:5000/tool", None),
    ({"example.com": ALICE}, "example.org/tool", None),
    ({"https://example.com/v1/": ALICE}, "example.com/tool", ("alice", "a:b")),
    ({"https://example.com": ALICE}, "example.com/tool", ("alice", "a:b")),
    ({"https://index.docker.io/v1/": ALICE}, "busybox", ("alice", "a:b")),
    ({"docker.io": ALICE}, "alice/tool", ("alice", "a:b")),
    ({"example.com": ALICE, "example.com/team": BOB}, "example.com/team/tool", ("bob", "b")),
    ({"example.com": ALICE, "example.com/team": BOB}, "example.com/teams/tool", ("alice", "a:b")),
    ({"example.com/team/tool": BOB}, "example.com/team/tool:1", ("bob", "b")),
    ({"example.com": {"username": "carol", "password": "c"}}, "example.com/tool", ("carol", "c")),
    ({"example.com": {"auth": packed("alice:padded\0\0")}}, "example.com/tool", ("alice", "padded")),
    ({"example.com": {}}, "example.com/tool", None),
    ({}, "example.com/tool", None),
]


@pytest.mark.parametrize(("auths", "ref", "want"), ENTRIES)
def test_an_entry_is_found_by_its_host(
    auths: dict[str, Any], ref: str, want: tuple[str, str] | None, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    found = find_credentials(parse_reference(ref), {"DOCKER_CONFIG": str(tmp_path)})
    assert (None if found is None else (found.username, found.password)) == want


def test_files_are_asked_in_order(tmp_path: Path) -> None:
    places = {
        "REGISTRY_AUTH_FILE": tmp_path / "named.json",
        "DOCKER_CONFIG": tmp_path / "docker/config.json",
        "XDG_RUNTIME_DIR": tmp_path / "run/containers/auth.json",
        "XDG_CONFIG_HOME": tmp_path / "config/containers/auth.json",
        "HOME": tmp_path / ".docker/config.json",
    }
    environ = {
        "REGISTRY_AUTH_FILE": str(places["REGISTRY_AUTH_FILE"]),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "HOME": str(tmp_path),
    }
    for name, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"auths": {"example.com": {"username": name, "password": "x"}}}))
    found = []
    for path in places.values():
        credentials = find_credentials(parse_reference("example.com/tool"), environ)
        assert credentials is not None
        assert credentials.origin == str(path)
        found.append(credentials.username)
        path.unlink()
    assert found == list(places)
    assert find_credentials(parse_reference("example.com/tool"), environ) is None


def put_helper(folder: Path, name: str, script: str) -> dict[str, str]:
    """A credential helper on $PATH; the environment to find it with."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "DOCKER_CONFIG": str(folder)}


def test_a_helper_is_asked_for_its_host(tmp_path: Path) -> None:
    script = """read server; test "$1" = get && printf '{"Username": "alice", "Secret": "for %s"}' "$server\""""
    environ = put_helper(tmp_path, "vault", script)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"example.com": "vault"}}))
    found = find_credentials(parse_reference("example.com/tool"), environ)
    assert found == Credentials(username="alice", password="for example.com", origin="docker-credential-vault")
    assert find_credentials(parse_reference("example.org/tool"), environ) is None


def test_a_store_is_asked_under_dockers_name_of_the_hub(tmp_path: Path) -> None:
    script = """read server; printf '{"Username": "<token>", "Secret": "%s"}' "$server\""""
    environ = put_helper(tmp_path, "store", script)
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "store"}))
    found = find_credentials(parse_reference("busybox"), environ)
    assert found is not None
    assert found.identity_token == "https://index.docker.io/v1/"
    assert found.username == ""


def test_a_store_that_knows_nothing_leaves_us_strangers(tmp_path: Path) -> None:
    environ = put_helper(tmp_path, "store", "echo credentials not found in native keychain; exit 1")
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "store", "auths": {"example.com": {}}}))
    assert find_credentials(parse_reference("example.com/tool"), environ) is None


def test_a_store_that_is_not_installed_leaves_us_strangers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "nowhere"}))
    environ = {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}
    assert find_credentials(parse_reference("example.com/tool"), environ) is None


# (config.json, the helper's script, the error)
BROKEN = [
    ("{", "", r"config\.json is not JSON"),
    ('{"auths": []}', "", r"auths: expected an object"),
    ('{"auths": {"example.com": {"auth": "?"}}}', "", r"auth of 'example\.com' is not base64"),
    ('{"credsStore": "../sh"}', "", r"'\.\./sh' is not the name of a credential helper"),
    ('{"credsStore": "store"}', "echo locked >&2; exit 1", "docker-credential-store failed for example.com: locked"),
    ('{"credsStore": "store"}', "echo []", "answered something other than credentials"),
    ('{"credsStore": "store"}', "echo hello", "answered something other than credentials"),
]


@pytest.mark.parametrize(("config", "script", "message"), BROKEN)
def test_what_is_broken_is_one_error(config: str, script: str, message: str, tmp_path: Path) -> None:
    environ = put_helper(tmp_path, "store", script)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(SourceError, match=message):
        find_credentials(parse_reference("example.com/tool"), environ)


def test_secrets_are_not_shown() -> None:
    shown = repr(Credentials(username="alice", password="hunter2", identity_token="hunter3"))
    assert "alice" in shown
    assert "hunter" not in shown


MANIFEST = b'{"schemaVersion":2}'


@pytest.fixture(name="server")
def _server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """A registry with a token server, which gives a token to whoever asks."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serve_fake_registry() as server:
        challenge = f'Bearer realm="http://{server.address}/token",service="here",scope="repository:tool:pull"'
        server.answers["/token"] = Answer(body=b'{"token": "let-me-in"}')
        server.answers["/v2/tool/manifests/1"] = Answer(
            body=MANIFEST, headers={"WWW-Authenticate": challenge}, token="let-me-in"
        )
        yield server


@pytest.mark.anyio
async def test_a_token_is_asked_for_with_user_and_password(server: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.address: ALICE}}))
    async with RegistryClient() as registry:
        await registry.manifest(parse_reference(f"{server.address}/tool:1"))
    assert server.requests[1] == "GET /token?service=here&scope=repository%3Atool%3Apull&account=alice"
    assert server.authorizations == ["", f"Basic {packed('alice:a:b')}", "Bearer let-me-in"]


@pytest.mark.anyio
async def test_an_identity_token_is_exchanged_for_a_token(server: FakeRegistry, tmp_path: Path) -> None:
    entry = {"auth": packed("alice:"), "identitytoken": "long-lived"}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server.address: entry}}))
    async with RegistryClient() as registry:
        await registry.manifest(parse_reference(f"{server.address}/tool:1"))
    assert server.requests[1] == "POST /token"
    assert server.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "long-lived",
            "client_id": "llbuild",
            "scope": "repository:tool:pull",
            "service": "here",
        }
    ]
