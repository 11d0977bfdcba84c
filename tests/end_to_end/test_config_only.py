"""A change of the config alone moves a config and a manifest, and touches no layer: counted, and traced by strace."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.faultproxy import FaultProxy, serve_fault_proxy
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = "FROM {base}\nRUN seq 1000 > /numbers\nCOPY Dockerfile /\nRUN rm /bin/vi\nCMD [{cmd}]\n"


@pytest.fixture(name="proxy")
def _proxy(registry: Registry) -> Iterator[FaultProxy]:
    with serve_fault_proxy(registry.address) as proxy:
        yield proxy


@pytest.fixture(name="base")
def _base(llbuild: Llbuild, context: Callable[..., Path], proxy: FaultProxy) -> str:
    name = f"{proxy.address}/config-only/base:1"
    llbuild("build", "--push", "-t", name, context("FROM busybox\nRUN echo base > /base\nLABEL of=base\n"))
    return name


def changed(folder: Path, base: str, cmd: str) -> Path:
    """The same but for CMD; what is copied does not change."""
    (folder / "other").write_text(DOCKERFILE.format(base=base, cmd=cmd))
    return folder


def sent(proxy: FaultProxy) -> list[str]:
    """What changed something at the registry."""
    return [request for request in proxy.requests if request.split()[0] in {"POST", "PUT", "PATCH", "DELETE"}]


def layers_of(registry: Registry, name: str, tag: str) -> list[str]:
    link = registry.folder / f"docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"
    manifest = json.loads(registry.blob_file(link.read_text()).read_bytes())
    return [layer["digest"] for layer in manifest["layers"]]


def test_a_changed_cmd_uploads_a_config_and_a_manifest(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, proxy: FaultProxy, base: str
) -> None:
    folder = changed(context(""), base, '"one"')
    command: list[str | Path] = ["--push", "-t", f"{proxy.address}/config-only/app:1", "-f", folder / "other", folder]
    llbuild.build(*command)
    first = layers_of(registry, "config-only/app", "1")
    stored = registry.stored_blobs()
    proxy.requests.clear()
    outcome = llbuild.build(*command[:-2], changed(folder, base, '"two"') / "other", folder)
    assert outcome.ran() == []
    uploads, manifests = (re.compile(text) for text in (r"^POST .*/blobs/uploads/", r"^PUT .*/manifests/1$"))
    assert [bool(uploads.match(one)) for one in sent(proxy)].count(True) == 1
    assert [bool(manifests.match(one)) for one in sent(proxy)].count(True) == 1
    assert len(registry.stored_blobs() - stored) == 2  # a config and a manifest, nothing else is new
    assert not [one for one in proxy.requests if one.startswith("GET") and "/blobs/" in one]
    assert layers_of(registry, "config-only/app", "1") == first
    assert first[:2] == layers_of(registry, "config-only/base", "1")  # the base's, as they were pulled


def test_on_an_empty_machine_only_documents_of_the_base_are_fetched(
    context: Callable[..., Path], registry: Registry, proxy: FaultProxy, base: str, tmp_path: Path
) -> None:
    elsewhere = Llbuild(root=tmp_path / "elsewhere")
    folder = context(f'FROM {base}\nCMD ["sh"]\nENV A=b\n')
    proxy.requests.clear()
    elsewhere.build("--push", "-t", f"{proxy.address}/config-only/derived:1", folder)
    config = [one for one in proxy.requests if one.startswith("GET") and "/blobs/" in one]
    assert len(config) == 1
    assert layers_of(registry, "config-only/derived", "1") == layers_of(registry, "config-only/base", "1")
    assert not [digest for digest in layers_of(registry, "config-only/base", "1") if digest in "".join(config)]


@pytest.mark.parametrize("output", ["push", "store"])
def test_no_layer_is_opened(
    llbuild: Llbuild,
    context: Callable[..., Path],
    registry: Registry,
    proxy: FaultProxy,
    base: str,
    output: str,
    tmp_path: Path,
) -> None:
    strace = require_tool("strace")
    if subprocess.run([strace, "-o", os.devnull, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs to trace its own processes (ptrace)")
    folder = changed(context(""), base, '"one"')
    flags = ["--push"] if output == "push" else []
    command: list[str | Path] = [*flags, "-t", f"{proxy.address}/config-only/traced:1", "-f", folder / "other", folder]
    llbuild.build(*command)
    changed(folder, base, '"two"')
    opened = tmp_path / "opened"
    traced = Llbuild(
        root=llbuild.root, prefix=(strace, "-f", "-z", "-o", str(opened), "-e", "trace=open,openat,openat2")
    )
    assert traced.build(*command).ran() == []
    text = opened.read_text(errors="replace")
    assert "state.db" in text, "the trace sees what is opened"
    inside = [line for line in text.splitlines() if str(llbuild.root) in line]
    for digest in layers_of(registry, "config-only/base", "1"):
        assert not [line for line in inside if digest.removeprefix("sha256:") in line]
    blobs = {name for line in inside for name in re.findall(r"blobs/sha256/([0-9a-f]{64})", line)}
    largest = max((llbuild.root / "content/blobs/sha256" / name).stat().st_size for name in blobs)
    assert largest < 16 << 10  # documents all of them
    assert not [line for line in inside if "/snapshots/" in line]
