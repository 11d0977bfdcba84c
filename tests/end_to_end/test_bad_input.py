"""Whatever is wrong with the input: one clear line and its place, exit 1, nothing half-written, a store as before."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild, Outcome

GOOD = "FROM busybox\nRUN echo good > /good\n"


@pytest.fixture
def failing(llbuild: Llbuild, tmp_path: Path, context: Callable[..., Path]) -> Iterator[Callable[..., Outcome]]:
    """Runs a build that must fail, with an output to be written; afterwards checks what it may not have touched."""
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    before = llbuild.image_names()

    def fail(*arguments: str | Path, exit_code: int = 1, output: str | None = None) -> Outcome:
        output = output or f"type=oci,dest={outputs / 'image.tar'}"
        return llbuild("build", "--progress=plain", "-o", output, *arguments, exit_code=exit_code)

    yield fail
    assert list(outputs.iterdir()) == [], "half-written output"
    assert llbuild.image_names() == before
    llbuild("build", "-t", "good", context(GOOD))
    assert llbuild("run", "good", "cat", "/good").stdout == "good\n"


def complaint(outcome: Outcome) -> str:
    """All that was said (the excerpt stands before the error line); fails on a traceback or on several errors."""
    text = outcome.stderr
    assert "Traceback" not in text, outcome
    assert "bug in llbuild" not in text, outcome
    errors = [line for line in text.splitlines() if re.match(r"(llbuild[ \w]*: )?error: ", line)]
    assert len(errors) == 1, outcome
    return text


DOCKERFILES = [
    ("unknown-instruction", "FROM busybox\nRUNN true\n", ["Dockerfile:2", "RUNN"]),
    ("unknown-flag", "FROM busybox\nCOPY --frm=x a b\n", ["Dockerfile:2", "--frm"]),
    ("missing-source", "FROM busybox\nCOPY nothing-here /\n", ["Dockerfile:2", "nothing-here", "not found"]),
    ("undefined-stage", "FROM busybox\nCOPY --from=elsewhere-99 /a /b\n", ["elsewhere-99"]),
    ("stage-cycle", "FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nCOPY --from=a /x /\n", ["Dockerfile:2"]),
    ("failing-run", "FROM busybox\nRUN echo told-before-it-failed; exit 7\n", ["Dockerfile:2", "exited with code 7"]),
    ("no-from", "RUN true\n", ["Dockerfile:1", "FROM"]),
    ("empty", "", ["Dockerfile"]),
    ("unterminated-heredoc", "FROM busybox\nRUN <<EOF\ntrue\n", ["Dockerfile:2", "EOF"]),
    ("bad-image-name", "FROM UPPER/case\n", ["Dockerfile:1", "UPPER/case"]),
    ("not-there-yet", "FROM busybox\nRUN --mount=type=secret,id=x cat /run/secrets/x\n", ["Dockerfile:2"]),
]


@pytest.mark.parametrize(
    ("dockerfile", "wanted"), [row[1:] for row in DOCKERFILES], ids=[row[0] for row in DOCKERFILES]
)
def test_a_wrong_dockerfile(
    failing: Callable[..., Outcome], context: Callable[..., Path], dockerfile: str, wanted: list[str]
) -> None:
    said = complaint(failing(context(dockerfile)))
    for text in wanted:
        assert text in said


def test_a_failing_run_shows_its_line_command_and_last_output(
    failing: Callable[..., Outcome], context: Callable[..., Path]
) -> None:
    said = complaint(failing(context("FROM busybox\n\nRUN echo told-before-it-failed; exit 7\n")))
    assert "RUN echo told-before-it-failed; exit 7" in said
    assert ">>>" in said
    assert "told-before-it-failed\n" in said


def test_a_missing_dockerfile(failing: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "Dockerfile" in complaint(failing(tmp_path / "empty"))


def test_an_unknown_flag_is_wrong_usage(failing: Callable[..., Outcome], context: Callable[..., Path]) -> None:
    assert "--tagg" in complaint(failing("--tagg=x", context(GOOD), exit_code=2))


def test_an_unknown_target(failing: Callable[..., Outcome], context: Callable[..., Path]) -> None:
    assert "nowhere" in complaint(failing("--target=nowhere", context(GOOD)))


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_context_that_is_no_folder(failing: Callable[..., Outcome], tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("no tar archive")
    assert name in complaint(failing(tmp_path / name))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything: runs as an ordinary user only")
def test_an_unreadable_context(failing: Callable[..., Outcome], context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nCOPY . /\n", locked="x")
    (folder / "locked").chmod(0)
    assert "locked" in complaint(failing(folder))


def test_an_output_that_cannot_be_written(
    failing: Callable[..., Outcome], context: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    for kind in ("oci", "tar", "local"):
        said = complaint(failing(context(GOOD), output=f"type={kind},dest={tmp_path / 'in-the-way/out'}"))
        assert "in-the-way" in said
    assert (tmp_path / "in-the-way").read_text() == "a file"


def test_an_unreachable_registry(failing: Callable[..., Outcome], context: Callable[..., Path]) -> None:
    with socket.socket() as closed:  # bound but not listening: connections are refused, and nobody else gets the port
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        said = complaint(failing(context(f"FROM {address}/some/image:1\n")))
    assert address in said


@pytest.mark.parametrize("name", ["rootfs.tar.gz", "rootfs.tar"])
def test_a_corrupt_archive_to_add(
    failing: Callable[..., Outcome], context: Callable[..., Path], busybox_rootfs: Path, tmp_path: Path, name: str
) -> None:
    import tarfile

    whole = tmp_path / name
    with tarfile.open(whole, "w:gz" if name.endswith("gz") else "w") as archive:
        archive.add(busybox_rootfs, arcname=".")
    data = whole.read_bytes()
    said = complaint(failing(context(f"FROM scratch\nADD {name} /\n", **{name: data[: len(data) // 2]})))
    assert name in said


def test_a_corrupt_archive_to_import(llbuild: Llbuild, tmp_path: Path) -> None:
    (tmp_path / "rootfs.tar").write_bytes(b"this is no archive" * 100)
    before = llbuild.image_names()
    outcome = llbuild("import", tmp_path / "rootfs.tar", "broken", exit_code=1)
    assert "rootfs.tar" in complaint(outcome)
    assert llbuild.image_names() == before


# A user namespace may set how many more namespaces its members make; 0 is a machine that permits none.
FORBIDDEN = [
    ("as-root", ["-U", "-r", "--keep-caps"], "max_mnt_namespaces", []),
    ("as-user", ["-U", "--keep-caps"], "max_user_namespaces", ["setpriv", "--ambient-caps=-all", "--inh-caps=-all"]),
]


@pytest.mark.parametrize(
    ("namespace", "limit", "then"), [row[1:] for row in FORBIDDEN], ids=[row[0] for row in FORBIDDEN]
)
def test_a_machine_that_permits_no_namespaces(
    llbuild: Llbuild, context: Callable[..., Path], namespace: list[str], limit: str, then: list[str]
) -> None:
    unshare, _ = require_tool("unshare"), require_tool("setpriv")
    shell = f'echo 0 > /proc/sys/user/{limit} && exec "$@"'
    llbuild.prefix = (unshare, *namespace, "sh", "-c", shell, "sh", *then)
    outcome = llbuild("build", "--progress=plain", "-t", "never", context(GOOD), exit_code=1)
    said = complaint(outcome)
    assert "namespace" in said
    llbuild.prefix = ()
    assert not [line for line in llbuild.image_names() if "never" in line]
    llbuild("build", "-t", "good", context(GOOD))


def test_a_missing_image_to_run(llbuild: Llbuild) -> None:
    for command in (["run", "nobody"], ["history", "nobody"], ["inspect", "nobody"]):
        assert "nobody" in complaint(llbuild(*command, exit_code=1))
