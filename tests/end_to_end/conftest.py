"""The program under test, with a state folder of its own and the image `busybox` in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild, processes_of

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
def context(tmp_path: Path) -> Callable[..., Path]:
    """Makes a build context: `context("FROM …", name="content")`; the folder's path."""

    def make(dockerfile: str, **files: str | bytes) -> Path:
        folder = tmp_path / "context"
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make
