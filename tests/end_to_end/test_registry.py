"""Base images from a real registry, over plain http on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry


@pytest.fixture
def pushed(llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path) -> str:
    """A base image in the registry that no local store holds by that name."""
    layout = tmp_path / "base"
    llbuild("build", "-o", f"type=oci,tar=false,dest={layout}", context("FROM busybox\nRUN echo pulled > /origin\n"))
    return registry.push(f"oci:{layout}", "library/base:1")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Llbuild:
    """The program on what might be another machine: an empty store."""
    return Llbuild(root=tmp_path / "elsewhere")


def test_the_base_image_is_pulled_and_built_on(pushed: str, elsewhere: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(f'FROM {pushed}\nRUN cat /origin > /copy\nCMD ["cat", "/copy"]\n')
    elsewhere.build("-t", "x", folder)
    assert elsewhere("run", "x").stdout == "pulled\n"


def test_without_a_run_no_layer_is_unpacked(pushed: str, elsewhere: Llbuild, context: Callable[..., Path]) -> None:
    elsewhere.build("-t", "x", context(f"FROM {pushed}\nENV A=b\n"))
    snapshots = elsewhere.root / "snapshots"
    assert not snapshots.exists() or not [path for path in snapshots.iterdir() if path.is_dir() and any(path.iterdir())]


def test_pull_asks_the_registry_even_when_the_store_has_the_name(
    pushed: str, llbuild: Llbuild, registry: Registry, context: Callable[..., Path], tmp_path: Path
) -> None:
    llbuild.build("-t", "x", context(f"FROM {pushed}\nRUN cat /origin\n"))
    layout = tmp_path / "newer"
    llbuild("build", "-o", f"type=oci,tar=false,dest={layout}", context("FROM busybox\nRUN echo newer > /origin\n"))
    registry.push(f"oci:{layout}", pushed.partition("/")[2])
    llbuild.build("--pull", "-t", "x", context(f"FROM {pushed}\nRUN cat /origin\n"))
    assert llbuild("run", "x", "cat", "/origin").stdout == "newer\n"


def test_a_missing_image_is_one_line(registry: Registry, bare_llbuild: Llbuild, context: Callable[..., Path]) -> None:
    outcome = bare_llbuild("build", context(f"FROM {registry.address}/nobody/nothing:1\n"), exit_code=1)
    assert "nobody/nothing:1" in outcome.stderr
    assert "not found" in outcome.stderr
    assert "Traceback" not in outcome.stderr
