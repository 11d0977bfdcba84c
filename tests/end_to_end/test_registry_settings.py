"""What the config file says of registries, in builds, pulls and pushes: certificates, mirrors, no TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.certificates import Authority, new_authority
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.fixtures_registry import serve_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(name="strict", scope="module")
def _strict(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    """A registry with TLS that lets nobody in without a certificate."""
    folder, pair = tmp_path_factory.mktemp("strict"), authority.sign("strict")
    with serve_registry(folder, tls=pair, clients=authority.own.cert) as served:
        yield served


@pytest.fixture(name="secure", scope="module")
def _secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Registry]:
    with serve_registry(tmp_path_factory.mktemp("secure"), tls=authority.sign("secure")) as served:
        yield served


@pytest.fixture(name="elsewhere")
def _elsewhere(tmp_path: Path) -> Llbuild:
    return Llbuild(root=tmp_path / "elsewhere")


def configure(llbuild: Llbuild, text: str) -> None:
    path = llbuild.root.parent / f"{llbuild.root.name}.toml"
    path.write_text(text)
    llbuild.environment["LLBUILD_CONFIG"] = str(path)


STAGES = "FROM {base}\nCOPY hello /\n"


def test_a_registry_with_certificates_on_both_sides_is_pushed_to_and_built_from(
    bare_llbuild: Llbuild,
    elsewhere: Llbuild,
    context: Callable[..., Path],
    strict: Registry,
    authority: Authority,
) -> None:
    client = authority.sign(f"client-{os.urandom(4).hex()}", client=True)
    settings = (
        f'[registry."{strict.address}"]\nca = ["{authority.own.cert}"]\n'
        f'[[registry."{strict.address}".keypair]]\nkey = "{client.key}"\ncert = "{client.cert}"\n'
    )
    image = f"{strict.address}/settings/hello:1"
    folder = context(STAGES.format(base="scratch"), hello="hello")
    outcome = bare_llbuild("build", "--push", "-t", image, folder, exit_code=1, env={"LLBUILD_CONFIG": ""})
    assert f'hint: if it speaks TLS, say http = false in [registry."{strict.address}"]' in outcome.stderr
    for llbuild in (bare_llbuild, elsewhere):
        configure(llbuild, settings)
    bare_llbuild("build", "--push", "-t", image, folder)
    elsewhere("build", "-t", "x", context(STAGES.format(base=image), hello="hello again"))
    elsewhere("pull", image)
    elsewhere("push", image)


def test_images_come_from_the_mirror_that_has_them(
    bare_llbuild: Llbuild, elsewhere: Llbuild, context: Callable[..., Path], registry: Registry
) -> None:
    """Here the registry itself does not even exist."""
    folder = context(STAGES.format(base="scratch"), hello="hello")
    bare_llbuild("build", "--push", "-t", f"{registry.address}/proxy/hub/library/mirrored:1", folder)
    mirrors = f'mirrors = ["127.0.0.1:1", "{registry.address}/nothing", "{registry.address}/proxy/hub"]'
    configure(elsewhere, f'[registry."nowhere.invalid"]\n{mirrors}\n')
    folder = context(STAGES.format(base="nowhere.invalid/library/mirrored:1"), hello="hello again")
    elsewhere("build", "-t", "x", folder)
    elsewhere("pull", "nowhere.invalid/library/mirrored:1")
    outcome = elsewhere("pull", "nowhere.invalid/library/mirrored:2", exit_code=1)
    (error,) = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot reach nowhere.invalid" in error
    assert f"mirror {registry.address}/proxy/hub: " in error


def test_outputs_and_caches_may_go_to_a_registry_that_proves_nothing(
    bare_llbuild: Llbuild, elsewhere: Llbuild, context: Callable[..., Path], secure: Registry
) -> None:
    folder = context(STAGES.format(base="scratch"), hello="hello")
    configure(bare_llbuild, f'[registry."{secure.address}"]\nhttp = false\n')
    configure(elsewhere, f'[registry."{secure.address}"]\nhttp = false\n')
    image, cache = f"{secure.address}/insecure/hello:1", f"type=registry,ref={secure.address}/insecure/cache"
    output = f"type=registry,name={image}"
    assert "not to be trusted" in bare_llbuild("build", "-o", output, folder, exit_code=1).stderr
    trusting = ("-o", f"{output},registry.insecure=true", f"--cache-to={cache},registry.insecure=true")
    bare_llbuild("build", *trusting, folder)
    assert "not to be trusted" in elsewhere("build", f"--cache-from={cache}", folder).stderr
    outcome = elsewhere.build("--no-cache-filter=x", f"--cache-from={cache},registry.insecure=true", folder)
    assert "not to be trusted" not in outcome.stderr
    assert not outcome.ran()


def test_a_registry_that_proves_nothing_need_not_speak_tls_either(
    bare_llbuild: Llbuild, context: Callable[..., Path], registry: Registry
) -> None:
    image = f"{registry.address}/insecure/plain:1"
    folder = context(STAGES.format(base="scratch"), hello="hello")
    bare_llbuild("build", "-o", f"type=registry,name={image},registry.insecure=true", folder)
    configure(bare_llbuild, f'[registry."{registry.address}"]\nhttp = true\ninsecure = true\n')
    bare_llbuild("pull", image)
