from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SourceError
from llbuild.image import RegistryConfig, parse_mirror, with_insecure
from llbuild.image.registry.config import Mirror
from llbuild.image.registry.hosts import find_host, trust
from llbuild.values import replace

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINTS = [
    ("docker.io", {}, "https://registry-1.docker.io"),
    ("registry.example:5000", {}, "https://registry.example:5000"),
    ("registry.example:5000", {"http": True}, "http://registry.example:5000"),
    ("registry.example:5000", {"http": True, "insecure": True}, "https://registry.example:5000"),
    ("127.0.0.1:5000", {}, "http://127.0.0.1:5000"),
    ("127.0.0.1:5000", {"http": False}, "https://127.0.0.1:5000"),
    ("127.0.0.1:5000", {"insecure": True}, "https://127.0.0.1:5000"),
    ("127.0.0.1:5000", {"ca": ("/ca.pem",)}, "https://127.0.0.1:5000"),
    ("localhost", {"mirrors": ("mirror.example",)}, "http://localhost"),
]


@pytest.mark.parametrize(("domain", "settings", "expected"), ENDPOINTS)
def test_tls_is_left_out_on_this_machine_and_where_the_config_says_so(
    domain: str, settings: dict[str, object], expected: str
) -> None:
    config = replace(RegistryConfig(host=domain), **settings)
    assert find_host(domain, config, {}).url == expected


@pytest.mark.parametrize("place", ["config/containers", "config/docker", "home/.config/containers"])
def test_certificates_are_found_where_docker_and_podman_have_them(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place / "certs.d/127.0.0.1:5000"
    folder.mkdir(parents=True)
    for name in ("own.crt", "b.key", "b.cert", "a.cert", "a.key", "README"):
        (folder / name).touch()
    environ = {"HOME": str(tmp_path / "home")}
    if place.startswith("config"):
        environ["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    host = find_host("127.0.0.1:5000", None, environ)
    assert host.url == "https://127.0.0.1:5000"
    assert host.ca == (f"{folder}/own.crt",)
    assert host.keypair == ((f"{folder}/a.key", f"{folder}/a.cert"), (f"{folder}/b.key", f"{folder}/b.cert"))
    assert find_host("127.0.0.1:5001", None, environ).is_ordinary
    named = RegistryConfig(host="127.0.0.1:5000", ca=("/mine.pem",))
    assert find_host("127.0.0.1:5000", named, environ).ca == ("/mine.pem",)


@pytest.mark.parametrize("lonely", ["client.cert", "client.key"])
def test_half_a_pair_is_an_error(tmp_path: Path, lonely: str) -> None:
    folder = tmp_path / "containers/certs.d/registry.example"
    folder.mkdir(parents=True)
    (folder / lonely).touch()
    with pytest.raises(SourceError, match=r"of client\.cert and client\.key there is only one"):
        find_host("registry.example", None, {"XDG_CONFIG_HOME": str(tmp_path)})


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    host = find_host("r.example", RegistryConfig(host="r.example", ca=(str(rubbish),)), {})
    with pytest.raises(SourceError, match=r"registry r\.example: expected PEM certificates in .*rubbish\.pem"):
        trust(host)
    missing = find_host("r.example", RegistryConfig(host="r.example", ca=("/nowhere.pem",)), {})
    with pytest.raises(SourceError, match=r"cannot read /nowhere\.pem: No such file"):
        trust(missing)
    pair = RegistryConfig(host="r.example", keypair=((str(rubbish), str(rubbish)),))
    with pytest.raises(SourceError, match="expected a PEM certificate and its key"):
        trust(find_host("r.example", pair, {}))


def test_a_file_of_authorities_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(SourceError, match=r"no file /nowhere\.pem, where \$SSL_CERT_FILE"):
        trust()


MIRRORS = [
    ("mirror.example", Mirror("mirror.example")),
    ("mirror.example:5000/proxy/hub/", Mirror("mirror.example:5000", "proxy/hub")),
    ("https://mirror.example/a", Mirror("mirror.example", "a")),
    ("http://[::1]:5000", Mirror("[::1]:5000", "", plain=True)),
]


@pytest.mark.parametrize(("text", "expected"), MIRRORS)
def test_a_mirror_is_a_host_and_what_stands_before_its_repositories(text: str, expected: Mirror) -> None:
    assert parse_mirror(text) == expected


@pytest.mark.parametrize("text", ["", "ftp://a", "a b", "a/b?c", "user@host", "https://"])
def test_what_is_no_mirror_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no mirror"):
        parse_mirror(text)


def test_a_registry_that_need_not_prove_anything_keeps_its_mirrors() -> None:
    known = RegistryConfig(host="a", mirrors=("m",))
    other = RegistryConfig(host="b")
    assert with_insecure([known, other], "a") == (other, replace(known, http=True, insecure=True))
    assert with_insecure([], "a") == (RegistryConfig(host="a", http=True, insecure=True),)
