"""The whole suite again: as an ordinary user, whose processes run in a user namespace; and by OCI runtimes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from llbuild.tests.tools import require_tool
from llbuild.tests.worker.executor.conftest import ENTER, EXECUTOR, IN_USERNS, RUNTIME
from llbuild.worker.userns import probe_namespaces

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65534


def python_for(uid: int) -> list[str]:
    """A Python of this version that `uid` may start, with this one's libraries (this one may lie in /root)."""
    libraries = os.pathsep.join(path for path in sys.path if "site-packages" in path)
    env = ["env", f"PYTHONPATH={ROOT / '.typing'}{os.pathsep}{libraries}", "HOME=/nonexistent"]
    version = sysconfig.get_python_version()
    for python in (sys.executable, shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")):
        if python is None:
            continue
        command = [*as_user(uid), *env, python]
        if subprocess.run([*command, "-c", "import pytest, llbuild"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip(f"uid {uid} can start no Python {version} with the libraries of this one (is it in a private folder?)")


def as_user(uid: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs the program setpriv (Debian package util-linux)")
    return [setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all", "--"]


@pytest.mark.skipif(IN_USERNS, reason="inside a user namespace already")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sandbox", "runc", "crun"])
@pytest.mark.usefixtures("busybox_rootfs")
def test_everything_works_as_an_ordinary_user(kind: str) -> None:
    if kind != "sandbox":
        require_tool(kind)
    uid = os.geteuid() or NOBODY
    command = python_for(uid)
    refused = probe_namespaces() if os.geteuid() else None
    if refused:
        pytest.skip(f"{refused.message}; {refused.hint}")
    base = Path(f"/tmp/llbuild-tests-{uid}-{os.getpid()}")  # pytest's own folders are closed to other users
    base.mkdir()
    os.chown(base, uid, uid)
    try:
        options = ["-q", "-rs", "-m", "not slow", "--basetemp", f"{base}/tmp"]
        done = subprocess.run(
            [*command, "-m", "pytest", *options, str(Path(__file__).parent)],
            cwd=ROOT,
            env={**os.environ, ENTER: "1", EXECUTOR: kind},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(base, ignore_errors=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "see test_unprivileged.py" not in done.stdout


@pytest.mark.skipif(IN_USERNS or RUNTIME is not None, reason="started by this very test, or one like it")
@pytest.mark.needs_root
@pytest.mark.slow
def test_runc_does_the_same_as_the_sandbox_does(tmp_path: Path) -> None:
    require_tool("runc")
    options = ["-q", "-rs", "-m", "not slow", "-k", "not trio", "--basetemp", str(tmp_path / "inner")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(Path(__file__).parent)],
        cwd=ROOT,
        env={**os.environ, EXECUTOR: "runc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
