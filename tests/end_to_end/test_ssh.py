"""ssh agents in steps, asked by OpenSSH's own ssh-add, copied from this machine with its libraries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

BASE = "FROM busybox AS base\nCOPY tools /\nFROM base\n"


@pytest.fixture
def project(context: Callable[..., Path]) -> Callable[[str], Path]:
    """A context whose stage `base` has ssh-add."""
    program = require_tool("ssh-add")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"(/\S+) \(0x", listed)

    def make(lines: str) -> Path:
        folder = context(BASE + lines)
        for path in (program, *needed):
            target = folder / "tools" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755)
        return folder

    return make


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_test"
    subprocess.run(
        [require_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path, "-C", "of-test"], check=True
    )
    return path


@pytest.fixture
def agent(key: Path, tmp_path: Path) -> Iterator[Path]:
    """The socket of a running agent that has the key."""
    path = tmp_path / "agent"
    with subprocess.Popen([require_tool("ssh-agent"), "-D", "-a", path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": str(path)}, check=True)
        yield path
        process.terminate()


def test_a_step_sees_the_keys_of_an_agent_and_cannot_change_them(
    llbuild: Llbuild, project: Callable[[str], Path], agent: Path
) -> None:
    folder = project(
        "RUN --mount=type=ssh ssh-add -L && stat -c %a:%u:%g $SSH_AUTH_SOCK && ! ssh-add -q -D && ssh-add -l\n"
        "RUN --mount=type=ssh,id=default,target=/a/sock,mode=0666,uid=7 stat -c %a:%u /a/sock && ls /run/buildkit\n"
        "RUN test ! -e /run/buildkit && test ! -e /a && test -z $SSH_AUTH_SOCK\n"
    )
    outcome = llbuild.build("--ssh", "default", folder, env={"SSH_AUTH_SOCK": str(agent)}, exit_code=1)
    seen = outcome.step("ssh-add -L").output.decode()
    assert "of-test" in seen
    assert "600:0:0" in seen
    assert outcome.step("/a/sock").output.startswith(b"666:7\n")
    assert "ls: /run/buildkit: No such file or directory" in outcome.stderr
    listed = subprocess.run(["ssh-add", "-l"], env={"SSH_AUTH_SOCK": str(agent)}, capture_output=True, check=True)
    assert b"of-test" in listed.stdout


def test_keys_make_an_agent_of_their_own_under_any_name(
    llbuild: Llbuild, project: Callable[[str], Path], key: Path
) -> None:
    folder = project("RUN --mount=type=ssh,id=deploy,required ssh-add -l\n")
    key.chmod(0o644)  # which ssh itself would not take
    assert b"(ED25519)" in llbuild.build("--ssh", f"deploy={key}", folder).step("ssh-add -l").output
    assert key.read_bytes() not in b"".join(path.read_bytes() for path in llbuild.root.rglob("*") if path.is_file())


def test_an_agent_nobody_gave_is_missed_only_where_it_is_required(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    # As in BuildKit, the variable is set either way.
    llbuild.build(context("FROM busybox\nRUN --mount=type=ssh test ! -e $SSH_AUTH_SOCK\n"))
    outcome = llbuild.build(context("FROM busybox\nRUN --mount=type=ssh,id=x,required true\n"), exit_code=1)
    assert "the ssh agent 'x' is required, and was not given" in outcome.stderr
    assert "hint: add --ssh x=SOCKET or =KEY" in outcome.stderr


def test_agents_that_cannot_be_had_are_refused(
    llbuild: Llbuild, context: Callable[..., Path], key: Path, agent: Path
) -> None:
    folder = context("FROM busybox\nRUN --mount=type=ssh,id=x true\n")
    for given, message in (
        ("default", "--ssh default: no agent is running ($SSH_AUTH_SOCK is not set)"),
        ("x=/nowhere", "--ssh x: cannot use '/nowhere': No such file or directory"),
        (f"x={folder}", f"--ssh x: {str(folder)!r} is not a socket and not a key"),
        (f"x={key},{agent}", "--ssh x: a socket stands alone"),
        (f"x={key},raw=true", f"--ssh x: {str(key)!r} is not a socket"),
    ):
        outcome = llbuild("build", "--ssh", given, folder, exit_code=2, env={"SSH_AUTH_SOCK": ""})
        assert message in outcome.stderr
    locked = key.parent / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", locked], check=True)
    outcome = llbuild.build("--ssh", f"x={locked}", folder, exit_code=1)
    assert "is no private key, or is protected by a passphrase" in outcome.stderr


def test_a_raw_socket_is_passed_on_as_it_is(llbuild: Llbuild, project: Callable[[str], Path], agent: Path) -> None:
    folder = project("RUN --mount=type=ssh,id=x ssh-add -l && ssh-add -q -D && ! ssh-add -l\n")
    outcome = llbuild.build("--ssh", f"x={agent},raw=true", folder)
    assert b"of-test" in outcome.step("ssh-add").output
    assert b"no identities" in outcome.step("ssh-add").output
