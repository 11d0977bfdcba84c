"""Programs and rights that tests need from the machine, and the reason for skipping where one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent

_PACKAGES = {
    "buildah": "buildah",
    "chromium": "chromium",
    "crun": "crun",
    "db5.3_load": "db5.3-util",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "faketime": "faketime",
    "fuse-overlayfs": "fuse-overlayfs",
    "git": "git",
    "mmdebstrap": "mmdebstrap",
    "openssl": "openssl",
    "podman": "podman",
    "rpm": "rpm",
    "rpmbuild": "rpm",
    "runc": "runc",
    "setfattr": "attr",
    "skopeo": "skopeo",
    "sshd": "openssh-server",
    "strace": "strace",
    "umoci": "umoci",
    "unshare": "util-linux",
}


def require_tool(name: str) -> str:
    """The path of a program, or a skip that says which Debian package has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"needs the program {name} (Debian package {_PACKAGES.get(name, name)})")
    return path


def run_tool(command: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run another program that must succeed; its standard output. A failure shows everything it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if done.returncode:
        pytest.fail(f"exit code {done.returncode} from {command[0]}\n{done.stdout}{done.stderr}")
    return done.stdout


def cache_folder() -> Path:
    """Where tests keep what is expensive to make and the same every time (a Debian root filesystem)."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = Path(base) / "llbuild-tests" if base else ROOT / ".cache" / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
