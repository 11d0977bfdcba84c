"""What is known is not read: exporting an image whose layers did not change opens none of their blobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = """
FROM busybox
RUN echo hello > /greeting
CMD ["cat", "/greeting"]
"""
CHANGED = f"{DOCKERFILE}CMD changed\n"
OPENED = re.compile(r'open(?:at2?)?\((?:[^"]*), *"([^"]*)"[^)]*\) = \d')


@pytest.fixture
def traced(llbuild: Llbuild, tmp_path: Path) -> Callable[..., set[str]]:
    """Builds under strace; the names of the files that were opened."""
    strace, log = require_tool("strace"), tmp_path / "opened"
    probe = ["-f", "-q", "-e", "trace=open,openat,openat2", "-o", str(log)]
    try:
        run_tool([strace, *probe, "true"])
    except AssertionError:
        pytest.skip("needs to trace processes")
    watched = Llbuild(root=llbuild.root, environment=llbuild.environment, prefix=(strace, *probe))

    def build(*arguments: str | Path) -> set[str]:
        assert not watched.build(*arguments).ran()
        return {path.rpartition("/")[2] for path in OPENED.findall(log.read_text())}

    return build


def layers_of(layout: Path) -> set[str]:
    layers = {layer["digest"].removeprefix("sha256:") for layer in read_image(layout).manifest["layers"]}
    assert len(layers) == 2
    return layers


def test_the_trace_shows_the_layers_that_are_read(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, traced: Callable[..., set[str]]
) -> None:
    folder = context(DOCKERFILE)
    llbuild.build("-o", f"type=oci,tar=false,dest={tmp_path / 'layout'}", folder)
    assert layers_of(tmp_path / "layout") <= traced("-o", f"type=oci,dest={tmp_path / 'new.tar'}", folder)


@pytest.mark.parametrize("options", ["", ",compression=zstd,force-compression=true", ",compression=estargz"])
def test_an_archive_that_is_there_is_written_without_them(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, traced: Callable[..., set[str]], options: str
) -> None:
    folder, archive = context(DOCKERFILE), f"type=oci,dest={tmp_path / 'a.tar'}{options}"
    llbuild.build("-o", f"type=oci,tar=false,dest={tmp_path / 'layout'}{options}", "-o", archive, folder)
    before = (tmp_path / "a.tar").read_bytes()
    assert not layers_of(tmp_path / "layout") & traced("-o", archive, folder)
    assert (tmp_path / "a.tar").read_bytes() == before


@pytest.mark.parametrize("options", ["", ",compression=estargz,force-compression=true"])
def test_an_image_with_another_config_is_stored_without_them(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, traced: Callable[..., set[str]], options: str
) -> None:
    plain, formed = tmp_path / "plain", tmp_path / "formed"
    for layout, form in ((plain, ""), (formed, options)):
        llbuild.build("-o", f"type=oci,tar=false,dest={layout}{form}", context(DOCKERFILE))
    opened = traced("-o", f"type=image,name=changed{options}", context(CHANGED))
    assert not (layers_of(plain) | layers_of(formed)) & opened


def test_an_image_with_another_config_is_pushed_without_them(
    llbuild: Llbuild,
    context: Callable[..., Path],
    tmp_path: Path,
    registry: Registry,
    traced: Callable[..., set[str]],
) -> None:
    ref = f"{registry.address}/unread/image:1"
    layout = tmp_path / "layout"
    llbuild.build("-o", f"type=oci,tar=false,dest={layout}", "--push", "-t", ref, context(DOCKERFILE))
    assert not layers_of(layout) & traced("--push", "-t", ref, context(CHANGED))
