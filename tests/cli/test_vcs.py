"""What git says of a build context."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.vcs import told_by_git
from llbuild.tests.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = [require_tool("git"), "-c", "user.name=a", "-c", "user.email=a", "-C", str(folder), *words]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "app").mkdir(parents=True)
    (folder / "app/Dockerfile").write_text("FROM scratch\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "x")
    return folder


def test_the_commit_the_remote_and_the_places_are_told(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:hunter2@example.org/a.git")
    app = repository / "app"
    assert told_by_git({"context": app, "dockerfile": repository}) == {
        "revision": git(repository, "rev-parse", "HEAD"),
        "source": "https://xxxxx:xxxxx@example.org/a.git",
        "localdir:context": "app",
        "localdir:dockerfile": ".",
    }


def test_a_build_file_elsewhere_has_no_place(repository: Path, tmp_path: Path) -> None:
    assert told_by_git({"context": repository, "dockerfile": tmp_path}).keys() == {"revision", "localdir:context"}


def test_a_hooks_environment_does_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nothing"))
    assert told_by_git({"context": repository})["revision"]


def test_without_a_repository_a_commit_or_a_context_nothing_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    (tmp_path / "plain").mkdir()
    assert told_by_git({"context": tmp_path / "empty"}) == {}
    assert told_by_git({"context": tmp_path / "plain"}) == {}
    assert told_by_git({}) == {}


def test_nothing_of_the_repository_is_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for setting in ("core.fsmonitor", "core.pager", "core.editor", "credential.helper"):
        git(repository, "config", setting, str(trap))
    assert told_by_git({"context": repository})["revision"]
    assert not (tmp_path / "sprung").exists()
