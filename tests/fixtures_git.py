"""A git server on loopback, and a repository that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.gitserver import serve_git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llbuild.tests.gitserver import GitServer, Repository


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[GitServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    with serve_git(folder) as server:
        yield server


@pytest.fixture(name="repo")
def _repo(server: GitServer) -> Repository:
    """Empty; its URL is one that only git's `.git` tells from a page."""
    repo = server.make("repo.git")
    repo.url = repo.url.removesuffix("/.git")
    return repo
