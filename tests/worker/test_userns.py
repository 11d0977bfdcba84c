"""User namespaces; each test in a process of its own, since entering one is for good."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from llbuild.tests.ordinary import NOBODY, python_for
from llbuild.worker.idmap import in_user_namespace
from llbuild.worker.userns import needs_user_namespace, probe_namespaces

ROOT = Path(__file__).resolve().parents[2]


def as_ordinary_user(code: str) -> str:
    done = subprocess.run(
        [*python_for(os.geteuid() or NOBODY), "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_ordinary_user_is_root_inside_with_one_id() -> None:
    out = as_ordinary_user(
        "import os\n"
        "from llbuild.worker.idmap import *\nfrom llbuild.worker.userns import *\n"
        "before = os.geteuid(), os.getegid(), needs_user_namespace(), in_user_namespace()\n"
        "got = enter_user_namespace()\n"
        "print(before == (got.uid, got.gid, True, False), os.geteuid(), os.getegid())\n"
        "print(needs_user_namespace(), in_user_namespace(), open('/proc/self/setgroups').read().strip())\n"
        "print(open('/proc/self/uid_map').read().split() == ['0', str(got.uid), '1'])\n"
    )
    assert out.split() == ["True", "0", "0", "False", "True", "deny", "True"]


def test_a_process_with_threads_is_told_that_it_is_too_late() -> None:
    out = as_ordinary_user(
        "import threading\n"
        "from llbuild.worker.idmap import *\nfrom llbuild.worker.userns import *\n"
        "stop = threading.Event()\n"
        "thread = threading.Thread(target=stop.wait)\n"
        "thread.start()\n"
        "try:\n"
        "    enter_user_namespace()\n"
        "except AssertionError as exc:\n"
        "    print(exc)\n"
        "stop.set()\n"
    )
    assert out == "enter_user_namespace: called after a thread was started"


REFUSED = """
import os
from llbuild.errors import SandboxError
from llbuild.worker.userns import *
limit = "/proc/sys/user/max_user_namespaces"
enter_user_namespace()   # its limit is its own: nothing of the machine changes
open(limit, "w").write("0")
try:
    enter_user_namespace()
except SandboxError as exc:
    print(exc.hint)
    print(exc.message)
"""


def test_a_refusal_names_what_to_change() -> None:
    hint, message = as_ordinary_user(REFUSED).splitlines()
    assert hint == "raise the limit: sysctl user.max_user_namespaces=15000"
    assert message == "this machine does not permit a user namespace: No space left on device"


EXECUTOR = """
import anyio, sys
from llbuild.errors import SandboxError
from llbuild.worker.executor import SandboxExecutor
async def main():
    async with SandboxExecutor("/tmp/never-made"):
        pass
try:
    anyio.run(main)
except SandboxError as exc:
    print(exc.message)
    print(exc.hint)
"""


def test_an_executor_without_the_right_to_mount_says_what_is_missing() -> None:
    message, hint = as_ordinary_user(EXECUTOR).splitlines()
    assert message == "cannot prepare the sandbox: Operation not permitted"
    assert hint.startswith("llbuild must run as root or in a user namespace;")


def test_trying_it_out_changes_nothing() -> None:
    before = os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt")
    probe_namespaces()
    assert (os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt")) == before


@pytest.mark.needs_root
def test_root_needs_none_unless_it_may_not_mount() -> None:
    assert not needs_user_namespace()
    setpriv = shutil.which("setpriv")
    if setpriv is None or in_user_namespace():
        pytest.skip("needs the program setpriv (Debian package util-linux)")
    code = "from llbuild.worker.userns import *; print(needs_user_namespace())"
    done = subprocess.run(
        [setpriv, "--bounding-set=-sys_admin", "--", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
