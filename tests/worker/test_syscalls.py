"""System calls that Python does not have."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from llbuild.worker import syscalls

if TYPE_CHECKING:
    from pathlib import Path

RENAME = """
import os, sys
print(flush=True)
while True:
    os.rename(sys.argv[1] + "/a", sys.argv[1] + "/b")
    os.rename(sys.argv[1] + "/b", sys.argv[1] + "/a")
"""


def test_a_path_with_dots_opens_while_others_rename_files(tmp_path: Path) -> None:
    """The kernel gives up on a `..` below a root when anything was renamed meanwhile, on whatever file system."""
    (tmp_path / "root/x/y").mkdir(parents=True)
    (tmp_path / "busy/a").mkdir(parents=True)
    root = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    renaming = subprocess.Popen([sys.executable, "-c", RENAME, str(tmp_path / "busy")], stdout=subprocess.PIPE)
    try:
        assert renaming.stdout is not None
        renaming.stdout.readline()
        for _ in range(3000):
            os.close(syscalls.openat2("x/y/../../x/..", os.O_PATH, dir_fd=root, resolve=syscalls.RESOLVE_IN_ROOT))
    finally:
        renaming.kill()
        renaming.communicate()
        os.close(root)
