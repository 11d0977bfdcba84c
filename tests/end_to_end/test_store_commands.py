"""Moving images between stores, registries and archives by name: pull, push, tag, save, load."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.tools import ROOT, require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry

DOCKERFILE = 'FROM busybox\nRUN echo hello > /greeting\nCMD ["cat", "/greeting"]\n'
PROGRAM = "from llbuild.cli.main import program; program()"
BOTH = "linux/amd64,linux/s390x"
TWO_PLATFORMS = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /file\n"


@pytest.fixture
def other(tmp_path: Path) -> Llbuild:
    """The program with an empty store, as on another machine."""
    return Llbuild(root=tmp_path / "other")


@pytest.fixture
def hello(llbuild: Llbuild, context: Callable[..., Path]) -> Llbuild:
    """A store with the image `hello:1`."""
    llbuild("build", "-t", "hello:1", context(DOCKERFILE))
    return llbuild


@pytest.fixture
def two(bare_llbuild: Llbuild, context: Callable[..., Path]) -> Llbuild:
    """A store with an index of two platforms, `two:1`."""
    files = {"amd64": "for amd64", "s390x": "for s390x"}
    bare_llbuild("build", "--platform", BOTH, "-t", "two:1", context(TWO_PLATFORMS, **files))
    return bare_llbuild


def test_what_is_tagged_and_pushed_is_pulled_and_runs(hello: Llbuild, other: Llbuild, registry: Registry) -> None:
    ref = f"{registry.address}/commands/hello:1"
    hello("tag", "hello:1", ref)
    digest = hello("push", "-q", ref).stdout
    assert other("pull", "-q", ref).stdout == digest
    assert other("run", ref).stdout == "hello\n"
    assert hello("images").stdout.count(digest[7:19]) == 2


def test_names_are_normalised_as_docker_does(hello: Llbuild) -> None:
    hello("tag", "hello:1", "other")
    assert [image["name"] for image in hello.json("images", "--format=json")] == [
        "docker.io/library/busybox:latest",
        "docker.io/library/hello:1",
        "docker.io/library/other:latest",
    ]
    assert "no image 'nothing'" in hello("tag", "nothing", "x", exit_code=1).stderr


def test_a_pulled_image_is_whole(hello: Llbuild, other: Llbuild, registry: Registry, tmp_path: Path) -> None:
    ref = f"{registry.address}/commands/whole:1"
    hello("tag", "hello:1", ref)
    hello("push", ref)
    other("pull", ref)
    other("save", "-o", tmp_path / "whole.tar", ref)
    assert other("verify").exit_code == 0


def test_of_an_index_one_platform_is_pulled_or_all(
    two: Llbuild, other: Llbuild, registry: Registry, tmp_path: Path
) -> None:
    ref = f"{registry.address}/commands/two:1"
    two("tag", "two:1", ref)
    index = two("push", "-q", ref).stdout
    assert other("pull", "-q", "--platform", "linux/s390x", ref).stdout != index
    other("build", "--platform", "linux/s390x", "-o", tmp_path / "one", _context(tmp_path, f"FROM {ref}\n"))
    assert (tmp_path / "one/file").read_text() == "for s390x"
    assert other("pull", "-q", "--all-platforms", ref).stdout == index
    other("tag", ref, f"{ref}-again")
    assert other("push", "-q", f"{ref}-again").stdout == index


def _context(tmp_path: Path, dockerfile: str) -> Path:
    folder = tmp_path / "derived"
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    return folder


def test_a_saved_image_is_loaded_under_its_name(hello: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    hello("tag", "hello:1", "example.org/a/hello:2")
    hello("save", "-o", tmp_path / "hello.tar", "hello:1", "example.org/a/hello:2")
    loaded = other("load", "-i", tmp_path / "hello.tar").stdout.split()
    assert loaded == ["docker.io/library/hello:1", "example.org/a/hello:2"]
    assert other("run", "hello:1").stdout == "hello\n"


def test_save_and_load_make_a_pipe(hello: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    with archive.open("wb") as file:
        process = hello.start("save", "hello:1")
        assert process.stdout is not None
        file.write(process.stdout.read())
        process.communicate()
    loading = ["env", f"LLBUILD_ROOT={other.root}", "PYTHONPATH=" + str(ROOT / ".typing"), other.python, "-c", PROGRAM]
    with archive.open("rb") as file:
        subprocess.run([*loading, "load", "-t", "piped"], stdin=file, check=True, capture_output=True)
    assert other("run", "piped").stdout == "hello\n"


def test_podman_takes_what_is_saved_and_gives_what_is_loaded(hello: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    podman = require_tool("podman")
    hello("save", "-o", tmp_path / "out.tar", "hello:1")
    with tempfile.TemporaryDirectory(prefix="llb-") as short:
        flags = [f"--root={tmp_path / 'containers'}", f"--runroot={short}", "--storage-driver=vfs"]
        run_tool([podman, *flags, "load", "-i", tmp_path / "out.tar"])
        save = ["save", "--format=docker-archive", "-o", str(tmp_path / "back.tar")]
        run_tool([podman, *flags, *save, "docker.io/library/hello:1"])
    other("load", "-i", tmp_path / "back.tar")
    assert other("run", "hello:1").stdout == "hello\n"


def test_skopeo_copies_an_archive_for_docker_that_is_loaded(hello: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    skopeo = [require_tool("skopeo"), "--insecure-policy", "copy"]
    source, target = f"oci:{hello.root / 'content'}:docker.io/library/hello:1", tmp_path / "skopeo.tar"
    run_tool([*skopeo, source, f"docker-archive:{target}:hello:1"])
    assert other("load", "-i", target).stdout == "docker.io/library/hello:1\n"
    assert other("run", "hello:1").stdout == "hello\n"


def test_an_index_is_saved_whole_or_by_platform(two: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    two("save", "-o", tmp_path / "two.tar", "two:1")
    two("save", "--platform", "linux/s390x", "-o", tmp_path / "one.tar", "two:1")
    other("load", "-i", tmp_path / "two.tar")
    assert other.image_names() == two.image_names()
    with tarfile.open(tmp_path / "one.tar") as archive:
        listed = archive.extractfile("manifest.json")
        assert listed is not None
        assert json.load(listed)[0]["RepoTags"] == ["two:1"]
    assert "is not made for linux/arm64" in two("save", "--platform", "arm64", "-o", "x", "two:1", exit_code=2).stderr


def test_several_images_do_not_fit_an_archive(hello: Llbuild, tmp_path: Path) -> None:
    outcome = hello("save", "-o", tmp_path / "x", "hello:1", "busybox", exit_code=2)
    assert "an archive holds one" in outcome.stderr


def test_a_layout_folder_is_loaded_and_a_bare_tag_is_no_name(hello: Llbuild, other: Llbuild, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    source = f"oci:{hello.root / 'content'}:docker.io/library/hello:1"
    run_tool([require_tool("skopeo"), "--insecure-policy", "copy", source, f"oci:{layout}:tagged"])
    assert other("load", "-i", layout).stdout.startswith("sha256:")
    assert other("load", "-i", layout, "-t", "named").stdout == "docker.io/library/named:latest\n"
    assert other("run", "named").stdout == "hello\n"


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (b"{", "is not a list of images"),
        (b"[1]", "is not a list of images"),
        (b'[{"Config": "c", "Layers": []}]', "holds no c"),
        (b'[{"Config": "manifest.json", "Layers": []}]', "image config"),
    ],
)
def test_a_broken_archive_is_one_clear_error(
    bare_llbuild: Llbuild, tmp_path: Path, listing: bytes, message: str
) -> None:
    (tmp_path / "manifest.json").write_bytes(listing)
    with tarfile.open(tmp_path / "broken.tar", "w") as archive:
        archive.add(tmp_path / "manifest.json", "manifest.json")
    assert message in bare_llbuild("load", "-i", tmp_path / "broken.tar", exit_code=1).stderr


def test_what_cannot_be_pulled_or_pushed_is_one_clear_error(bare_llbuild: Llbuild, registry: Registry) -> None:
    ref = f"{registry.address}/commands/missing:1"
    assert ref in bare_llbuild("pull", ref, exit_code=1).stderr
    assert "no image" in bare_llbuild("push", ref, exit_code=1).stderr


def test_all_tags_are_pushed_and_pulled(hello: Llbuild, other: Llbuild, registry: Registry) -> None:
    name = f"{registry.address}/commands/every"
    for tag in ("1", "1.1", "latest"):
        hello("tag", "hello:1", f"{name}:{tag}")
    hello("tag", "hello:1", f"{name}-not:1")
    pushed = hello("push", "-a", "-q", name).stdout
    tags = ["1", "1.1", "latest"]
    assert [line.partition("@")[0] for line in pushed.splitlines()] == [f"{name}:{tag}" for tag in tags]
    assert other("pull", "--all-tags", "-q", name).stdout == pushed
    assert [line.split()[:2] for line in other.image_names()] == [[name, tag] for tag in tags]
    assert other("run", f"{name}:1.1").stdout == "hello\n"


def test_all_tags_want_a_name_without_one(hello: Llbuild, registry: Registry) -> None:
    words = "--all-tags wants a name without tag or digest, found 'x:1'"
    assert words in hello("push", "-a", "x:1", exit_code=2).stderr
    assert words in hello("pull", "-a", "x:1", exit_code=2).stderr
    assert "the local store has no image of nothing" in hello("push", "-a", "nothing", exit_code=1).stderr
    missing = f"{registry.address}/commands/no-such"
    assert f"{missing} not found" in hello("pull", "-a", missing, exit_code=1).stderr
