"""The program under test, with a state folder of its own and the image `busybox` in it."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild, processes_of
from llbuild.tests.tools import ROOT, require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def bare_llbuild(state_root: Path) -> Iterator[Llbuild]:
    """The program with an empty store. Whatever a test did, nothing of it may go on running or stay mounted."""
    yield Llbuild(root=state_root)
    left = processes_of(state_root)
    assert not left, f"left behind: {left}"


@pytest.fixture
def llbuild(bare_llbuild: Llbuild, busybox_rootfs: Path) -> Llbuild:
    bare_llbuild("import", busybox_rootfs, "busybox")
    return bare_llbuild


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[list[str]]:
    """podman with a store of this test's own (it wants a short name for its run folder)."""
    with tempfile.TemporaryDirectory(prefix="llb-") as short:
        flags = [f"--root={tmp_path / 'containers'}", f"--runroot={short}", "--storage-driver=vfs"]
        yield [require_tool("podman"), *flags]


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[Path], dict[str, str]]:
    """Makes a plugin known: `installed(folder)` is the environment with what `pip install FOLDER` leaves on the path.

    That is its modules and its metadata. The wheel check of CI installs with pip.
    """

    def install(folder: Path) -> dict[str, str]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        site = tmp_path / "site"
        metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        metadata.mkdir(parents=True)
        for module in folder.glob("*.py"):
            shutil.copy(module, site)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        groups = project["entry-points"].items()
        lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups]
        (metadata / "entry_points.txt").write_text("".join(lines))
        return {"PYTHONPATH": f"{ROOT / '.typing'}:{site}"}

    return install


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Path]:
    """Makes a build context: `context("FROM …", name="content")`; the folder's path."""

    def make(dockerfile: str, **files: str | bytes) -> Path:
        folder = tmp_path / "context"
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make
