"""`llbuild compile` as a user has it: base images from a registry, and nothing else from anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

HEAVY = {"anyio", "asyncio", "google.protobuf", "httpx", "networkx", "rich", "ssl", "structlog", "zstandard"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Llbuild:
    """The program on what might be another machine: an empty store."""
    return Llbuild(root=tmp_path / "elsewhere")


def test_a_registry_is_asked_for_the_config_and_no_more(
    llbuild: Llbuild, elsewhere: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    layout = tmp_path / "base"
    folder = context("FROM busybox\nRUN echo base > /origin\nENV FROM_BASE=yes\n")
    llbuild("build", "-o", f"type=oci,tar=false,dest={layout}", folder)
    name = registry.push(f"oci:{layout}", "library/compiled:1")
    document = elsewhere.json("compile", context(f"FROM {name}\nRUN make\n"))
    (result,) = document["results"]
    assert "FROM_BASE=yes" in result["image"]["config"]["Env"]
    assert f"{name}@sha256:" in result["ops"][0]["name"]
    kept = [path.stat().st_size for path in (elsewhere.root / "content" / "blobs" / "sha256").iterdir()]
    assert max(kept) < 64 << 10, "manifest and config, no layer"


def test_an_image_of_the_store_needs_no_registry(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    document = llbuild.json("compile", context("FROM busybox\nRUN exit 1\n"))
    assert document["results"][0]["root"].endswith("RUN exit 1")


def test_compiling_starts_light_and_needs_no_state(
    bare_llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["sha256:" + "1" * 64]}}
    (tmp_path / "stub.json").write_text(json.dumps({"digest": "sha256:" + "2" * 64, "config": config}))
    folder = context("FROM busybox\nCOPY a /a\nRUN make\n")
    loaded = bare_llbuild.modules_after("compile", "--format=bundle", f"--stub-images={tmp_path / 'stub.json'}", folder)
    assert not loaded & HEAVY
    assert not bare_llbuild.root.exists()


def test_a_missing_image_is_reported_at_its_line(
    bare_llbuild: Llbuild, context: Callable[..., Path], registry: Registry
) -> None:
    outcome = bare_llbuild("compile", context(f"FROM {registry.address}/nobody/nothing:1\n"), exit_code=1)
    assert ">>> FROM" in outcome.stderr
    assert "not found" in outcome.stderr
    assert outcome.stdout == ""
