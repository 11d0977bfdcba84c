"""Layer folders are spread over the disk where it can be told."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from llbuild.worker.snapshot import LayerStore
from llbuild.worker.snapshot.placement import make_spread_folder

if TYPE_CHECKING:
    from pathlib import Path


def flags(folder: Path) -> str:
    """As lsattr(1) prints them; "" where the file system has none."""
    found = subprocess.run(["lsattr", "-d", str(folder)], capture_output=True, text=True, check=False)
    return found.stdout.split()[0] if found.returncode == 0 else ""


@pytest.mark.skipif(shutil.which("lsattr") is None, reason="lsattr (Debian: e2fsprogs) shows the flag")
def test_the_folder_of_layers_has_unrelated_subfolders_where_the_disk_knows_such(tmp_path: Path) -> None:
    marked = tmp_path / "marked"
    marked.mkdir()
    if subprocess.run(["chattr", "+T", str(marked)], capture_output=True, check=False).returncode:
        pytest.skip("the file system of the temporary folder has no such flag")
    store = LayerStore(tmp_path / "state", userxattr=False)
    store.discard(store.begin())
    assert "T" in flags(tmp_path / "state" / "snapshots")


def test_where_the_disk_knows_no_flags_the_folder_is_made_all_the_same(tmp_path: Path) -> None:
    make_spread_folder(str(tmp_path / "a" / "b"), 0o711)
    make_spread_folder(str(tmp_path / "a" / "b"), 0o711)
    assert (tmp_path / "a" / "b").is_dir()
