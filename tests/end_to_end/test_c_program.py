"""A real compiler in a real Debian: compile in one stage, ship another; what a change rebuilds."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import ROOT, cache_folder, require_tool, run_tool

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

GREETING = "Hello, world, from a static program in an image of its own!\n"
SUITE = "bookworm"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def debian_rootfs() -> Path:
    """A Debian root filesystem with gcc, as a tar archive; made once and kept between runs."""
    archive = cache_folder() / f"debian-{SUITE}-gcc.tar"
    if archive.exists():
        return archive
    mmdebstrap = require_tool("mmdebstrap")
    making = archive.with_name(f"making-{os.getpid()}.tar")
    try:
        run_tool([mmdebstrap, "--variant=minbase", "--include=gcc,libc6-dev", SUITE, making])
        making.rename(archive)
    finally:
        making.unlink(missing_ok=True)
    return archive


@pytest.fixture
def debian(bare_llbuild: Llbuild, debian_rootfs: Path) -> Llbuild:
    bare_llbuild("import", debian_rootfs, "debian-gcc")
    return bare_llbuild


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "examples/c-hello", tmp_path / "c-hello")


def test_a_static_program_ships_alone_and_a_change_runs_only_what_depends_on_it(
    debian: Llbuild, example: Path, tmp_path: Path
) -> None:
    first = debian.build("-t", "c-hello", example)
    assert first.step("RUN gcc").ran
    assert debian("run", "c-hello").stdout == GREETING
    debian.build("-o", f"type=oci,dest={tmp_path / 'c-hello.tar'}", example)
    (layer,) = read_image(tmp_path / "c-hello.tar").layers
    assert set(layer.members) == {"hello"}

    assert debian.build("-t", "c-hello", example).ran() == []

    source = example / "hello.c"
    source.write_text(source.read_text().replace("Hello, world", "Good morning"))
    changed = debian.build("-t", "c-hello", example)
    assert not changed.step("WORKDIR").ran
    assert [changed.step(text).ran for text in ("COPY hello.c", "RUN gcc", "COPY --from=build")] == [True, True, True]
    assert debian("run", "c-hello").stdout == GREETING.replace("Hello, world", "Good morning")


def test_the_order_of_instructions_decides_what_a_change_repeats(debian: Llbuild, example: Path) -> None:
    files = {order: example / f"Dockerfile.{order}-copy" for order in ("early", "late")}
    for file in files.values():
        debian.build("-f", file, "-t", "c-hello", example)
    source = example / "hello.c"
    source.write_text(source.read_text() + "/* changed */\n")
    ran = {
        order: debian.build("-f", file, "-t", "c-hello", example).step("gcc --version").ran
        for order, file in files.items()
    }
    assert ran == {"early": True, "late": False}
