"""`llbuild image`: docker's other names for commands, and images that nobody calls by name any more."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.image.filters import parse_image_filters
from llbuild.errors import UsageError
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.test_cleaning import disk_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry


def manifests(llbuild: Llbuild) -> set[str]:
    found = set()
    for path in (llbuild.root / "content/blobs/sha256").iterdir():
        data = path.read_bytes()
        if data.startswith(b"{") and {"layers", "manifests"} & json.loads(data).keys():
            found.add(f"sha256:{path.name}")
    return found


def test_what_lost_its_name_goes_and_nothing_else(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN echo one > /a\n")
    llbuild("build", "-t", "x", folder)
    before = manifests(llbuild)
    assert llbuild("image", "prune", "--force").stdout == "Total reclaimed space: 0B\n"
    context("FROM busybox\nRUN echo two > /a\n")
    llbuild("build", "-t", "x", folder)
    assert before < manifests(llbuild)
    (old,) = before - {llbuild.json("inspect", "busybox")["digest"]}
    outcome = llbuild("image", "prune", "--force")
    assert outcome.stdout.startswith(f"Deleted Images:\ndeleted: {old}\n\nTotal reclaimed space: ")
    assert old not in manifests(llbuild)
    assert llbuild("run", "x", "cat", "/a").stdout == "two\n"
    for word in ("one", "two"):  # what builds may use again is still there
        assert llbuild.build("-t", "x", context(f"FROM busybox\nRUN echo {word} > /a\n")).ran() == []


def test_all_of_them_go_when_that_is_asked(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    llbuild("build", "-o", f"type=oci,dest={tmp_path / 'a.tar'},name=example.org/a", context("FROM busybox\nRUN ls\n"))
    other = Llbuild(root=tmp_path / "other")
    empty = disk_bytes(other.root) if other("images").stdout else 0
    other("load", "-i", tmp_path / "a.tar")
    full = disk_bytes(other.root)
    told = other.json("image", "prune", "--all", "--force", "--format", "json")
    assert told["untagged"] == ["example.org/a:latest"]
    assert len(told["deleted"]) == 1
    assert other.image_names() == []
    assert told["freed_bytes"] == pytest.approx(full - disk_bytes(other.root), abs=16 << 10)  # the index has shrunk
    assert disk_bytes(other.root) - empty < 64 << 10


def test_an_index_goes_with_its_images(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"
    llbuild("build", "--platform", "linux/amd64,linux/arm64", "-t", "two", context(text))
    llbuild("rmi", "two")
    told = llbuild.json("image", "prune", "-f", "--format", "json")
    assert len(told["deleted"]) == 1
    assert manifests(llbuild) == {llbuild.json("inspect", "busybox")["digest"]}


def test_a_base_that_builds_name_by_digest_stays(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    name = f"{registry.address}/prune/base:1"
    llbuild("build", "--push", "-t", name, context("FROM busybox\nRUN ls\n"))
    other = Llbuild(root=tmp_path / "other")
    digest = other("pull", "-q", name).stdout.strip()
    other("rmi", name)
    folder = context(f"FROM {name}@{digest}\nRUN ls\n")
    other("build", "-t", "x", folder)
    other("image", "prune", "-f")
    assert "httpx" not in other.modules_after("build", "-t", "x", folder)


def test_labels_and_age_choose(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    for name, label in (("a", "keep=yes"), ("b", "keep=no"), ("c", "other=1")):
        llbuild("build", "-t", name, "--label", label, context("FROM scratch\nCOPY Dockerfile /\n"))
    hour = ["--filter", "until=1h"]
    assert llbuild.json("image", "prune", "-a", "-f", "--format=json", *hour)["untagged"] == []
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    for flags, gone in (
        (["--filter", "label=keep=no"], ["b"]),
        (["--filter", "label!=keep", "--filter", "label=other"], ["c"]),
        (["--filter", f"until={later}", "--filter", "label=keep"], ["a"]),
    ):
        told = llbuild.json("image", "prune", "--filter", "dangling=false", "-f", "--format=json", *flags)
        assert told["untagged"] == [f"docker.io/library/{name}:latest" for name in gone]


def test_nothing_goes_unasked(llbuild: Llbuild) -> None:
    assert "say --force" in llbuild("image", "prune", exit_code=2).stderr
    assert llbuild.image_names()


@pytest.mark.parametrize(
    "text", ["until", "until=soon", "until!=1h", "label=", "label", "dangling=perhaps", "before=x"]
)
def test_wrong_filters_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="filter"):
        parse_image_filters([text])


def test_dockers_other_names_do_the_same(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    llbuild("build", "-t", "x", context("FROM busybox\nRUN ls\n"))
    exact = ("--format", "json")  # the table says how long ago, and a second may pass between the two
    assert llbuild("image", "ls", *exact).stdout == llbuild("images", *exact).stdout
    assert llbuild("image", "inspect", "x").stdout == llbuild("inspect", "x").stdout
    llbuild("image", "tag", "x", "y")
    llbuild("image", "save", "-o", tmp_path / "y.tar", "y")
    llbuild("image", "rm", "y")
    assert "docker.io/library/y:latest" in llbuild("image", "load", "-i", tmp_path / "y.tar").stdout
    assert "did you mean 'prune'?" in llbuild("image", "prun", exit_code=2).stderr
    assert "prune" in llbuild("image", "--help").stdout
    assert "a command is missing" in llbuild("image", exit_code=2).stderr
