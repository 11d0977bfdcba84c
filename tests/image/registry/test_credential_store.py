"""Logins on disk: docker's file, changed in place; helpers that keep the secret instead."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from llbuild.errors import SourceError
from llbuild.image import Credentials, erase_credentials, find_credentials, parse_reference, store_credentials

ALICE = Credentials(username="alice", password="open sesame")
TOKEN = Credentials(username="alice", identity_token="it lasts")
# keeps one secret per server in files beside itself, as the protocol of docker-credential-helpers wants it
HELPER = """#!/usr/bin/env python3
import json, os, sys
folder = os.path.dirname(os.path.abspath(__file__))
verb, given = sys.argv[1], sys.stdin.read()
server = json.loads(given)["ServerURL"] if verb == "store" else given
path = os.path.join(folder, server.replace("/", "_") + ".secret")
if verb == "store":
    open(path, "w").write(given)
elif not os.path.exists(path):
    sys.exit(print("credentials not found in native keychain") or 1)
elif verb == "get":
    print(open(path).read())
else:
    os.unlink(path)
"""


@pytest.fixture(name="environ")
def _environ(tmp_path: Path) -> dict[str, str]:
    return {"DOCKER_CONFIG": str(tmp_path / "docker"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def config_file(environ: dict[str, str]) -> Path:
    return Path(environ["DOCKER_CONFIG"], "config.json")


def config(environ: dict[str, str]) -> dict[str, Any]:
    return json.loads(config_file(environ).read_text())  # type: ignore[no-any-return]


def write_config(environ: dict[str, str], text: str) -> None:
    config_file(environ).parent.mkdir(exist_ok=True)
    config_file(environ).write_text(text)


def known(domain: str, environ: dict[str, str]) -> tuple[str, str, str] | None:
    found = find_credentials(parse_reference(f"{domain}/team/tool"), environ)
    return None if found is None else (found.username, found.password, found.identity_token)


def put_helper(folder: Path, name: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(HELPER)
    program.chmod(0o755)


@pytest.mark.parametrize("domain", ["docker.io", "registry.example:5000"])
def test_what_is_stored_is_found_and_what_is_erased_is_not(environ: dict[str, str], domain: str) -> None:
    path = f"{environ['DOCKER_CONFIG']}/config.json"
    assert store_credentials(domain, ALICE, environ) == path
    assert known(domain, environ) == ("alice", "open sesame", "")
    assert store_credentials(domain, TOKEN, environ) == path
    assert known(domain, environ) == ("alice", "", "it lasts")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert erase_credentials(domain, environ) == [path]
    assert known(domain, environ) is None
    assert erase_credentials(domain, environ) == []
    assert os.listdir(environ["DOCKER_CONFIG"]) == ["config.json"]


def test_the_file_is_as_docker_writes_it_and_the_rest_of_it_stays(environ: dict[str, str]) -> None:
    auths = {"https://registry.example/v1/": {"auth": "b2xkOm9sZA=="}, "other": {"auth": "YTpi"}}
    write_config(environ, json.dumps({"psFormat": "x", "auths": auths}))
    store_credentials("registry.example", ALICE, environ)
    store_credentials("docker.io", TOKEN, environ)
    assert config(environ) == {
        "psFormat": "x",
        "auths": {
            "other": {"auth": "YTpi"},
            "registry.example": {"auth": "YWxpY2U6b3BlbiBzZXNhbWU="},
            "https://index.docker.io/v1/": {"auth": "YWxpY2U6", "identitytoken": "it lasts"},
        },
    }


def test_a_file_of_podmans_that_is_named_is_the_one(environ: dict[str, str], tmp_path: Path) -> None:
    environ["REGISTRY_AUTH_FILE"] = str(tmp_path / "auth.json")
    assert store_credentials("registry.example", ALICE, environ) == str(tmp_path / "auth.json")
    assert not os.path.exists(environ["DOCKER_CONFIG"])
    assert known("registry.example", environ) == ("alice", "open sesame", "")


def test_a_link_to_the_file_stays_one(environ: dict[str, str], tmp_path: Path) -> None:
    os.makedirs(environ["DOCKER_CONFIG"])
    (tmp_path / "kept.json").touch()
    os.symlink(tmp_path / "kept.json", f"{environ['DOCKER_CONFIG']}/config.json")
    store_credentials("registry.example", ALICE, environ)
    assert os.path.islink(f"{environ['DOCKER_CONFIG']}/config.json")
    assert "registry.example" in (tmp_path / "kept.json").read_text()


@pytest.mark.parametrize("settings", [{"credsStore": "x"}, {"credHelpers": {"registry.example": "x"}}])
@pytest.mark.parametrize(("given", "found"), [(ALICE, ("alice", "open sesame", "")), (TOKEN, ("", "", "it lasts"))])
def test_a_helper_keeps_the_secret_and_the_file_none(
    environ: dict[str, str],
    tmp_path: Path,
    settings: dict[str, Any],
    given: Credentials,
    found: tuple[str, str, str],
) -> None:
    put_helper(tmp_path, "x")
    write_config(environ, json.dumps({**settings, "auths": {"registry.example": {"auth": "b2xkOm9sZA=="}}}))
    assert store_credentials("registry.example", given, environ) == "docker-credential-x"
    assert config(environ)["auths"] == {"registry.example": {}}
    assert known("registry.example", environ) == found
    assert erase_credentials("registry.example", environ) == ["docker-credential-x"]
    assert known("registry.example", environ) is None
    assert erase_credentials("registry.example", environ) == []


def test_a_helper_that_is_missing_or_fails_is_told_and_the_file_unchanged(
    environ: dict[str, str], tmp_path: Path
) -> None:
    before = {"credsStore": "gone", "auths": {"a": {"auth": "YTpi"}}}
    write_config(environ, json.dumps(before))
    with pytest.raises(SourceError, match="there is no program docker-credential-gone to store"):
        store_credentials("registry.example", ALICE, environ)
    (tmp_path / "docker-credential-gone").write_text("#!/bin/sh\necho the vault is locked; exit 1\n")
    (tmp_path / "docker-credential-gone").chmod(0o755)
    with pytest.raises(SourceError, match=r"docker-credential-gone failed for registry\.example: the vault is locked"):
        store_credentials("registry.example", ALICE, environ)
    assert config(environ) == before


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": 3}'])
def test_a_file_that_is_malformed_is_not_written_over(environ: dict[str, str], text: str) -> None:
    write_config(environ, text)
    with pytest.raises(SourceError, match=r"config\.json"):
        store_credentials("registry.example", ALICE, environ)
    assert config_file(environ).read_text() == text


def test_logins_at_the_same_time_all_stay(environ: dict[str, str]) -> None:
    threads = [
        threading.Thread(target=store_credentials, args=(f"r{number}.example", ALICE, environ)) for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(config(environ)["auths"]) == 20


def test_without_a_home_it_is_said_what_to_set() -> None:
    with pytest.raises(SourceError, match="no home folder") as caught:
        store_credentials("registry.example", ALICE, {})
    assert "DOCKER_CONFIG" in caught.value.hint
