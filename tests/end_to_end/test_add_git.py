"""ADD of git repositories, from a real git server on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.gitserver import GitServer, Repository


@pytest.fixture(name="repo")
def _repo(repo: Repository) -> Repository:
    (repo.folder / "tool").write_text("#!/bin/sh\necho works\n")
    (repo.folder / "tool").chmod(0o755)
    repo.commit(sub__b="second\n")
    return repo


def test_a_repository_is_added_with_its_modes(llbuild: Llbuild, context: Callable[..., Path], repo: Repository) -> None:
    folder = context(f"FROM busybox\nADD {repo.url} /src\nADD {repo.url}#main:sub /sub\nRUN /src/tool > /told\n")
    llbuild.build("-t", "x", folder)
    assert llbuild("run", "x", "cat", "/told", "/sub/b").stdout == "works\nsecond\n"
    assert llbuild("run", "x", "stat", "-c", "%n %a %u", "/src/a", "/src/tool").stdout.split() == [
        *("/src/a", "644", "0"),
        *("/src/tool", "755", "0"),
    ]
    assert llbuild("run", "x", "ls", "-A", "/src").stdout.split() == ["a", "sub", "tool"]


def test_what_has_not_moved_stays_cached(
    llbuild: Llbuild, context: Callable[..., Path], server: GitServer, repo: Repository
) -> None:
    folder = context(f"FROM busybox\nADD {repo.url}#main /src\nRUN cat /src/a > /told\n")
    llbuild.build("-t", "x", folder)
    packs = server.packs
    assert llbuild.build("-t", "x", folder).ran() == []
    assert server.packs == packs + 1  # for the names
    repo.commit(a="moved\n")
    assert llbuild.build("-t", "x", folder).ran()
    assert llbuild("run", "x", "cat", "/told").stdout == "moved\n"
    assert "a (content)" in llbuild("explain").stdout


def test_a_commit_without_changes_for_it_runs_nothing_but_the_checkout(
    llbuild: Llbuild, context: Callable[..., Path], repo: Repository
) -> None:
    folder = context(f"FROM busybox\nADD {repo.url}#main:sub /src\nRUN cat /src/b > /told\n")
    llbuild.build("-t", "x", folder)
    repo.commit(a="moved\n")
    outcome = llbuild.build("-t", "x", folder)
    assert [step for step in outcome.ran() if "RUN" in step] == []


def test_a_pinned_commit_asks_nobody(
    llbuild: Llbuild, context: Callable[..., Path], server: GitServer, repo: Repository
) -> None:
    folder = context(f"FROM busybox\nADD {repo.url}#{repo.head} /src\n")
    llbuild.build("-t", "x", folder)
    server.requests.clear()
    loaded = llbuild.modules_after("build", "-t", "x", folder)
    assert not loaded & {"asyncio", "subprocess"}
    assert not server.requests


def test_the_git_folder_stays_when_asked_for(llbuild: Llbuild, context: Callable[..., Path], repo: Repository) -> None:
    llbuild.build("-t", "x", context(f"FROM busybox\nADD --keep-git-dir=true {repo.url}#main /src\n"))
    assert llbuild("run", "x", "cat", "/src/.git/HEAD").stdout.strip() == repo.head


def test_a_wrong_checksum_fails_at_its_line(llbuild: Llbuild, context: Callable[..., Path], repo: Repository) -> None:
    outcome = llbuild("build", context(f"FROM busybox\nADD --checksum={'a' * 40} {repo.url} /src\n"), exit_code=1)
    assert "does not begin with the checksum" in outcome.stderr
    assert "Dockerfile:2" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_query_says_the_same_as_a_fragment(llbuild: Llbuild, context: Callable[..., Path], repo: Repository) -> None:
    repo.git("tag", "v1")
    repo.commit(a="later\n")
    text = f"FROM busybox\nADD {repo.url}?tag=v1&checksum={repo.git('rev-parse', 'v1')}&subdir=sub /src\n"
    llbuild.build("-t", "x", context(text))
    assert llbuild("run", "x", "ls", "/src").stdout == "b\n"


def test_builds_at_the_same_time_share_the_fetch(
    llbuild: Llbuild, context: Callable[..., Path], server: GitServer, repo: Repository
) -> None:
    folder = context(f"FROM busybox\nADD {repo.url}#main /src\n")
    started = [llbuild.start("build", folder) for _ in range(3)]
    for process in started:
        said = process.communicate()
        assert process.returncode == 0, said
    assert server.packs <= 3 + 2  # each asks for the names, one fetches in two questions
