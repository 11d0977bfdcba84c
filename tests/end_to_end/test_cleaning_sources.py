"""What sources leave: mirrors of repositories, checkouts, downloaded files. Listed, removed, and had again."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.test_cleaning import disk_bytes, entries, make_old, types
from llbuild.tests.webserver import WebServer, serve_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.gitserver import GitServer, Repository


@pytest.fixture(name="web")
def _web() -> Iterator[WebServer]:
    with serve_pages() as web:
        yield web


@pytest.fixture(name="folder")
def _folder(context: Callable[..., Path], repo: Repository, web: WebServer) -> Path:
    url = web.put("/tool", b"x" * 50_000, etag='"1"')
    return context(f"FROM busybox\nADD {repo.url}#main /src\nADD {url} /tool\n")


def of_type(llbuild: Llbuild, kind: str) -> dict[str, Any]:
    (found,) = entries(llbuild, "--filter", f"type={kind}")
    return found


def test_sources_are_listed_by_their_kind_with_where_they_are_from(
    llbuild: Llbuild, folder: Path, repo: Repository, web: WebServer
) -> None:
    for _ in range(2):
        llbuild("build", folder)
        (folder / "Dockerfile").write_text((folder / "Dockerfile").read_text() + "RUN true\n")
    found = types(entries(llbuild))
    assert [found[kind] for kind in ("source.git", "source.git.checkout", "source.http")] == [1, 1, 1]
    mirror = of_type(llbuild, "source.git")
    assert mirror["description"] == repo.url
    assert (mirror["mutable"], mirror["reclaimable"], mirror["uses"]) == (True, True, 1)
    assert repo.url.removeprefix("http://") in of_type(llbuild, "source.git.checkout")["description"]
    file = of_type(llbuild, "source.http")
    assert web.url("/tool") in file["description"]
    assert file["size_bytes"] >= 50_000


def test_what_is_removed_gives_its_room_back_and_is_fetched_again(
    llbuild: Llbuild, folder: Path, server: GitServer, web: WebServer
) -> None:
    llbuild("build", "-t", "x", folder)
    for kind in ("source.git", "source.git.checkout", "source.http"):
        size, before = of_type(llbuild, kind)["size_bytes"], disk_bytes(llbuild.root)
        told = llbuild.json("prune", "--format=json", "--filter", f"type={kind}")
        assert told["freed_bytes"] == size > 0
        assert before - disk_bytes(llbuild.root) == size
        assert kind not in types(entries(llbuild))
    asked, packs = len(web.requests), server.packs
    assert llbuild.build("-t", "x", folder).ran() == []  # the image has all it needs
    llbuild("build", "--no-cache", "-t", "x", folder)
    assert server.packs > packs + 1
    assert 200 in [status for _, status in web.requests[asked:]]
    assert llbuild("run", "x", "cat", "/src/a").stdout == "first\n"


def test_a_mirror_that_git_is_in_stays(llbuild: Llbuild, folder: Path) -> None:
    llbuild("build", folder)
    mirror = of_type(llbuild, "source.git")
    with (llbuild.root / "locks" / f"git-{mirror['id']}").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert llbuild.json("prune", "--format=json", "--filter", "type=source.git")["freed_bytes"] == 0
        assert (llbuild.root / "git" / mirror["id"] / "HEAD").exists()
    assert llbuild.json("prune", "--format=json", "--filter", "type=source.git")["freed_bytes"] > 0
    assert not (llbuild.root / "git" / mirror["id"]).exists()


def test_a_mirror_that_grew_old_goes_and_one_that_a_build_used_stays(
    llbuild: Llbuild, folder: Path, repo: Repository
) -> None:
    llbuild("build", folder)
    make_old(llbuild, hours=72)
    repo.commit(a="second\n")
    llbuild("build", folder)
    llbuild("prune", "--filter", "until=48h")
    assert of_type(llbuild, "source.git")["uses"] == 2
    make_old(llbuild, hours=72)
    llbuild("prune", "--filter", "until=48h")
    assert "source.git" not in types(entries(llbuild))
