"""Being somebody else: an ordinary user of this machine, with ranges of further ids or with none.

Real ones, by setpriv(1). The entries of /etc/subuid and /etc/subgid exist for that user's processes only: they are
files mounted over these in a mount namespace of theirs, so that nothing of the machine changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import ROOT, require_tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["NOBODY", "RANGES", "as_user", "folder_of", "python_for", "run_pytest", "run_tests"]

NOBODY = 65534  # has a name everywhere, which newuidmap insists on
RANGES = {"one": "", "ranges": "nobody:300000:65536\n"}  # what /etc/subuid and /etc/subgid say, by name for tests

_COVER = """
for file in /etc/subuid /etc/subgid; do
  test -e $file || { echo "there is no $file here" >&2; exit 3; }
  mount -t tmpfs subids /mnt && printf '%s' "$0" >/mnt/ids && mount --bind /mnt/ids $file && umount /mnt || exit 3
done
exec "$@"
"""
# Most machines let everybody open it; where this one does not, such tests would only show that.
_TUN = """
mount -t tmpfs devices /dev/net && mknod -m 666 /dev/net/tun c 10 200
exec "$@"
"""


def as_user(uid: int = NOBODY, ids: str = "one") -> tuple[str, ...]:
    """The beginning of a command that `uid` is to run; nothing for tests that an ordinary user runs.

    ids: a key of RANGES. Whoever is not root has the ids that this machine gives, whatever is asked for.
    """
    if os.geteuid() != 0:
        return ()
    user: tuple[str, ...] = (require_tool("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    tun = "/dev/net/tun"
    if os.path.exists(tun) and os.stat(tun).st_mode & 0o006 != 0o006:
        user = (require_tool("unshare"), "--mount", "--propagation=private", "sh", "-c", _TUN, "sh", *user)
    if ids == "one":
        return (*user, "--bounding-set=-all", "--")
    require_tool("newuidmap")
    cover = (require_tool("unshare"), "--mount", "--propagation=private", "sh", "-c", _COVER, RANGES[ids])
    tried = subprocess.run([*cover, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs to mount over /etc/subuid: {tried.stderr.strip()}")
    return (*cover, *user, "--")


def python_for(uid: int = NOBODY, ids: str = "one") -> tuple[str, ...]:
    """A Python of this version that `uid` may start, with this one's libraries (this one may lie in /root)."""
    libraries = os.pathsep.join(path for path in sys.path if "site-packages" in path)
    env = ("env", f"PYTHONPATH={ROOT / '.typing'}{os.pathsep}{libraries}", "HOME=/nonexistent")
    version = sysconfig.get_python_version()
    prefix = as_user(uid, ids)
    for python in (sys.executable, shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")):
        if python is None:
            continue
        command = (*prefix, *env, python)
        probe = [
            *command,
            "-c",
            "import os, sys, pytest, llbuild, msgpack, blake3; os.stat(os.path.realpath(sys.executable))",
        ]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip(f"uid {uid} can start no Python {version} with the libraries of this one (is it in a private folder?)")


def run_pytest(command: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> str:
    """Have pytest run in a process begun with `command`; what it said. All must pass or skip."""
    done = subprocess.run(
        [*command, "-m", "pytest", "-q", "-rs", *words],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def run_tests(paths: Sequence[Path], ids: str, env: Mapping[str, str] | None = None) -> str:
    """Have the quick tests of these files run by an ordinary user; what pytest said. All must pass or skip."""
    uid = os.geteuid() or NOBODY
    command = python_for(uid, ids)
    base = Path(f"/tmp/llbuild-tests-{uid}-{os.getpid()}")  # pytest's own folders are closed to other users
    base.mkdir()
    os.chown(base, uid, uid)
    try:
        return run_pytest(command, ["-m", "not slow", "--basetemp", f"{base}/tmp", *map(str, paths)], env or {})
    finally:
        shutil.rmtree(base, ignore_errors=True)


def folder_of(base: Path, uid: int = NOBODY) -> Path:
    """Give a folder, with all that is in it, to `uid`."""
    for place, _, files in os.walk(base):
        for name in (place, *(os.path.join(place, file) for file in files)):
            os.lchown(name, uid, uid)
    return base
