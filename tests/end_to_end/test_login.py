"""`llbuild login` and `logout` against a registry that wants user and password."""

from __future__ import annotations

import json
import os
import pty
import sys
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.fixtures_registry import PASSWORD, USER
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry


@pytest.fixture(name="here")
def _here(tmp_path: Path) -> Llbuild:
    """Somebody with a home folder in which there is nothing."""
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "", "XDG_CONFIG_HOME": ""}
    return Llbuild(root=tmp_path / "state", environment=environment)


def log_in(here: Llbuild, registry: Registry, password: str = PASSWORD) -> subprocess.CompletedProcess[bytes]:
    return here.given(f"{password}\n".encode(), "login", "-u", USER, "--password-stdin", registry.address)


def test_who_logs_in_may_push_and_pull_until_logging_out(
    here: Llbuild, private_registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/hello").touch()
    image = f"{private_registry.address}/login/tool:1"
    here("import", tmp_path / "files", image)
    assert "access denied" in here("push", image, exit_code=1).stderr
    done = log_in(here, private_registry)
    assert (done.returncode, done.stdout) == (0, b"Login Succeeded\n"), done
    path = tmp_path / ".docker/config.json"
    assert f"the password stands unencrypted in {path}" in done.stderr.decode()
    here("push", image)
    here("pull", image)
    assert here("login", private_registry.address).stdout == "Login Succeeded\n"  # it is known already
    said = here("logout", private_registry.address).stdout
    assert said == f"removed the login at {private_registry.address} from {path}\n"
    assert here("logout", private_registry.address).stdout == f"not logged in to {private_registry.address}\n"
    assert "access denied" in here("pull", image, exit_code=1).stderr


def test_other_tools_are_logged_in_too_and_what_they_wrote_serves(
    here: Llbuild, private_registry: Registry, tmp_path: Path
) -> None:
    skopeo, image = require_tool("skopeo"), f"{private_registry.address}/login/shared:1"
    (tmp_path / "files").mkdir()
    (tmp_path / "files/hello").touch()
    here("import", tmp_path / "files", image)
    log_in(here, private_registry)
    here("push", image)
    inspect = [skopeo, "inspect", "--tls-verify=false", f"docker://{image}"]
    assert json.loads(run_tool(inspect, env={**here.environment, "DOCKER_CONFIG": ""}))["Name"] in image
    here("logout", private_registry.address)
    auth = tmp_path / "auth.json"
    log_in_there: list[str | Path] = ["login", "--tls-verify=false", "--authfile", auth, "-u", USER, "-p", PASSWORD]
    run_tool([skopeo, *log_in_there, private_registry.address])
    here("pull", image, env={"REGISTRY_AUTH_FILE": str(auth)})
    here("logout", private_registry.address, env={"REGISTRY_AUTH_FILE": str(auth)})
    assert json.loads(auth.read_text())["auths"] == {}


def test_a_wrong_password_is_refused_and_not_kept(here: Llbuild, private_registry: Registry, tmp_path: Path) -> None:
    done = log_in(here, private_registry, "guess")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {private_registry.address}: access denied by 127.0.0.1".encode()), done
    assert b"hint: check user and password" in done.stderr
    assert not (tmp_path / ".docker").exists()


def test_a_login_of_podmans_that_comes_first_is_told_of(
    here: Llbuild, private_registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / ".config/containers").mkdir(parents=True)
    other = tmp_path / ".config/containers/auth.json"
    other.write_text(json.dumps({"auths": {private_registry.address: {"username": "bob", "password": "b"}}}))
    assert f"warning: {other} has another login".encode() in log_in(here, private_registry).stderr
    assert f"warning: {other} still has a login" in here("logout", private_registry.address).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-u", "alice", "r.example"], "there is no terminal to ask on"),
        (["r.example"], "there is no terminal to ask on"),
        (["--password-stdin", "r.example"], "--password-stdin needs --username"),
        (["-u", "alice", "-p", "x", "--password-stdin"], "contradict each other"),
        (["-u", "a:b", "--password-stdin"], "no colon"),
        (["-u", "alice", "--password-stdin"], "the password is empty"),
        (["-u", "alice", "-p", "x", "r.example/team"], "is no registry; expected HOST[:PORT]"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_is_asked(here: Llbuild, arguments: list[str], words: str) -> None:
    assert words in here("login", *arguments, exit_code=2).stderr


def test_what_is_no_registry_is_said(here: Llbuild) -> None:
    outcome = here("login", "-u", USER, "-p", "x", "127.0.0.1:1", exit_code=1)
    assert "error: cannot reach 127.0.0.1:1: Connection refused" in outcome.stderr
    assert "local store" not in outcome.stderr  # which is no help to who wants to log in
    assert "warning: --password shows in the process list" in outcome.stderr


def test_on_a_terminal_it_asks_and_does_not_show_the_password(here: Llbuild, private_registry: Registry) -> None:
    process, terminal = pty.fork()
    if process == 0:
        code = "from llbuild.cli.main import program; program()"
        command = [sys.executable, "-c", code, "login", private_registry.address]
        os.execve(sys.executable, command, here._environment(None))
    said = b""
    for question, answer in ((b"Username for ", USER), (b"Password: ", PASSWORD)):
        while question not in said:
            said += os.read(terminal, 1024)
        while not said.rstrip(b"\r\n").endswith(b": "):
            said += os.read(terminal, 1024)
        os.write(terminal, f"{answer}\n".encode())
    try:
        while piece := os.read(terminal, 1024):
            said += piece
    except OSError:  # how a terminal ends
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, said
    os.close(terminal)
    assert b"Login Succeeded" in said
    assert USER.encode() in said  # the terminal shows what is typed
    assert PASSWORD.encode() not in said
