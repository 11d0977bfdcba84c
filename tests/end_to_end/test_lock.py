"""Lock files: what a build once used is what every later build gets, wherever it runs and whatever has moved since."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import Llbuild
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.webserver import WebServer, serve_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.fixtures_registry import Registry
    from llbuild.tests.gitserver import GitServer, Repository

THEN, NOW = "Mon, 02 Jan 2006 15:04:05 GMT", "Tue, 02 Jan 2007 15:04:05 GMT"


@pytest.fixture(name="web")
def _web() -> Iterator[WebServer]:
    with serve_pages() as web:
        yield web


class World:
    """A base image in a registry, a repository and a page, which move on together; and builds of them."""

    def __init__(self, llbuild: Llbuild, registry: Registry, web: WebServer, repo: Repository, folder: Path) -> None:
        self.llbuild, self.registry, self.web, self.repo, self.folder = llbuild, registry, web, repo, folder
        self.base = f"{registry.address}/lock/base:{folder.name.lower()}"
        self.url = web.url("/page")
        self.context = folder / "context"
        self.context.mkdir()
        (self.context / "Dockerfile").write_text(
            f"FROM {self.base}\nADD {self.url} /page\nADD {repo.url}#main /repo\n"
            "RUN cat /base /page /repo/a > /told; stat -c %Y /page >> /told\n"
        )
        self.lock = self.context / "llbuild.lock"
        self.move("one", THEN)

    def move(self, word: str, modified: str) -> None:
        recipe = self.folder / "recipe"
        recipe.mkdir(exist_ok=True)
        (recipe / "Dockerfile").write_text(f"FROM busybox\nRUN echo base {word} > /base\n")
        self.llbuild("build", "--push", "-t", self.base, recipe)
        self.web.put("/page", f"page {word}\n".encode(), modified=modified)
        self.repo.commit(a=f"repo {word}\n")

    def machine(self, name: str) -> Llbuild:
        """Another machine: an empty state folder."""
        return Llbuild(root=self.folder / name)

    def told(self, machine: Llbuild, *flags: str | Path) -> list[str]:
        machine("build", "-t", "x", *flags, self.context)
        return machine("run", "x", "cat", "/told").stdout.split("\n")[:4]


@pytest.fixture(name="world")
def _world(llbuild: Llbuild, registry: Registry, web: WebServer, repo: Repository, tmp_path: Path) -> World:
    return World(llbuild, registry, web, repo, tmp_path)


ONE = ["base one", "page one", "repo one", "1136214245"]
TWO = ["base two", "page two", "repo two", "1167750245"]


def test_a_lock_holds_images_repositories_and_files(world: World) -> None:
    assert world.told(world.machine("first"), "--lock", world.lock) == ONE
    text = world.lock.read_text()
    assert text.count("[[") == 3
    world.move("two", NOW)
    assert world.told(world.machine("free")) == TWO
    assert world.told(world.machine("first"), "--lock", world.lock) == ONE  # where it was built before
    world.web.put("/page", b"page one\n", modified=NOW)  # the file of then, as if it were of now
    for flags in (["--lock", world.lock], ["--locked"]):
        assert world.told(world.machine(f"second{len(flags)}"), *flags) == ONE
    assert world.lock.read_text() == text


@pytest.mark.slow
def test_a_refreshed_lock_holds_what_there_is_now(world: World) -> None:
    machine = world.machine("machine")
    assert "3 sources, written" in machine("lock", world.context).stdout
    assert "up to date: 3 sources" in machine("lock", "--check", world.context).stdout
    world.move("two", NOW)
    told = machine("lock", "--check", world.context, exit_code=1).stdout
    assert told.count(" -> ") == 3
    assert "is not up to date" in told
    before = world.lock.read_text()
    told = machine("lock", "--only", world.base, world.context).stdout
    assert told.count(" -> ") == 1
    assert world.told(machine, "--locked") == ["base two", "page one", "repo one", "1136214245"]
    assert machine("lock", world.context).stdout.count(" -> ") == 2
    assert world.lock.read_text() != before
    assert world.told(world.machine("other"), "--locked") == TWO


def test_a_cached_build_with_a_lock_asks_nobody_and_loads_little(world: World, server: GitServer) -> None:
    machine = world.machine("machine")
    world.told(machine, "--lock", world.lock)
    server.requests.clear()
    world.web.requests.clear()
    for flags in (["--locked"], ["--lock", world.lock], ["--locked", "--pull"]):
        loaded = machine.modules_after("build", "-t", "x", *flags, world.context)
        assert not loaded & {"anyio", "asyncio", "httpx", "rich", "ssl", "structlog"}
    assert not server.requests
    assert not world.web.requests


def test_what_is_gone_is_told_with_what_to_do(world: World, registry: Registry, tmp_path: Path) -> None:
    world.told(world.machine("first"), "--lock", world.lock)
    world.move("two", NOW)
    outcome = world.machine("second")("build", "--locked", world.context, exit_code=1)
    assert "the file is not what its checksum says" in outcome.stderr
    assert "holds it to what it was; `llbuild lock` asks what it is now" in outcome.stderr
    text = world.lock.read_text()
    digest = text.split('digest = "')[1][:71]
    world.lock.write_text(text.replace(digest, "sha256:" + "0" * 64))
    outcome = world.machine("third")("build", "--locked", world.context, exit_code=1)
    assert "Dockerfile:1" in outcome.stderr
    assert "`llbuild lock` asks what it is now" in outcome.stderr


OUTSIDE = {
    "image": ("FROM busybox\nFROM alpine:3\nCOPY --from=0 / /\n", 2, "docker.io/library/alpine:3"),
    "copy": ("FROM busybox\nCOPY --from=alpine:3 / /\n", 2, "docker.io/library/alpine:3"),
    "mount": ("FROM busybox\nRUN --mount=from=alpine:3,target=/x ls\n", 2, "docker.io/library/alpine:3"),
    "http": ("FROM busybox\nADD https://example.org/a /\n", 2, "https://example.org/a"),
    "git": ("FROM busybox\nADD https://example.org/a.git#v1 /\n", 2, "https://example.org/a.git#v1"),
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_a_locked_build_does_not_go_outside(llbuild: Llbuild, context: Callable[..., Path], kind: str) -> None:
    text, line, name = OUTSIDE[kind]
    folder = context("FROM busybox\n")
    llbuild("lock", folder)
    (folder / "Dockerfile").write_text(text)
    outcome = llbuild("build", "--locked", folder, exit_code=1)
    assert f"Dockerfile:{line}" in outcome.stderr
    assert f"{name} is not in {folder}/llbuild.lock, and nothing else may be used (--locked)" in outcome.stderr
    assert "hint: add it with `llbuild lock`" in outcome.stderr


def test_contexts_are_locked_too(llbuild: Llbuild, repo: Repository, web: WebServer, tmp_path: Path) -> None:
    repo.commit(Dockerfile="FROM busybox\nCOPY a /told\nCOPY --from=extra * /extra/\n")
    lock, page = tmp_path / "llbuild.lock", web.put("/page", b"then")
    command = ["-t", "x", "--build-context", f"extra={page}", f"{repo.url}#main"]
    llbuild("build", "--lock", lock, *command)
    repo.commit(a="second\n")
    web.put("/page", b"now")
    llbuild("build", "--lock", lock, "--locked", *command)
    assert llbuild("run", "x", "cat", "/told", "/extra/context").stdout == "first\nthen"
    outcome = llbuild("build", "--lock", lock, "--locked", repo.url, exit_code=1)
    assert f"{repo.url} is not in {lock}" in outcome.stderr


def test_a_layout_beside_the_lock_file_is_locked_wherever_both_are(llbuild: Llbuild, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM busybox\nRUN echo one > /one\n")
    llbuild("build", "-o", f"type=oci,tar=false,dest={project / 'base'}", "-t", "base:1", project)
    (project / "Dockerfile").write_text("FROM base\nRUN ls /one\n")
    context = f"base=oci-layout://{project / 'base'}:1"
    llbuild("build", "--lock", project / "llbuild.lock", "--build-context", context, project)
    assert 'name = "oci-layout://./base:1"' in (project / "llbuild.lock").read_text()
    moved = tmp_path / "moved"
    shutil.move(project, moved)
    llbuild("build", "--locked", "--build-context", f"base=oci-layout://{moved / 'base'}:1", moved)


def test_one_entry_serves_every_platform(llbuild: Llbuild, registry: Registry, tmp_path: Path) -> None:
    base = f"{registry.address}/lock/platforms:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n")
    for arch in ("amd64", "arm64"):
        (tmp_path / arch).write_text(arch)
    llbuild("build", "--platform", "linux/amd64,linux/arm64", "--push", "-t", base, tmp_path)
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nCOPY amd64 /more\n")
    lock = tmp_path / "llbuild.lock"
    llbuild("build", "--platform", "linux/amd64", "--lock", lock, tmp_path)
    assert lock.read_text().count("[[") == 1
    out = tmp_path / "out"
    llbuild("build", "--platform", "linux/arm64", "--locked", "-o", f"type=local,dest={out}", tmp_path)
    assert (out / "arch").read_text() == "arm64"


def test_a_name_that_has_one_platform_is_locked_for_each(llbuild: Llbuild, registry: Registry, tmp_path: Path) -> None:
    """`pull` brings one image of an index: what that was must not become the image of all platforms."""
    base = f"{registry.address}/lock/pulled:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n")
    for arch in ("amd64", "arm64"):
        (tmp_path / arch).write_text(arch)
    llbuild("build", "--platform", "linux/amd64,linux/arm64", "--push", "-t", base, tmp_path)
    llbuild("pull", "--platform", "linux/amd64", base)
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nCOPY amd64 /more\n")
    llbuild("lock", "--platform", "linux/amd64", tmp_path)
    assert 'platform = "linux/amd64"' in (tmp_path / "llbuild.lock").read_text()
    other = Llbuild(root=tmp_path / "other")
    outcome = other("build", "--platform", "linux/arm64", "--locked", tmp_path, exit_code=1)
    assert f"{base} (linux/arm64) is not in {tmp_path}/llbuild.lock" in outcome.stderr
    other("build", "--platform", "linux/amd64", "--locked", tmp_path)
    other("build", "--platform", "linux/arm64", "--lock", tmp_path / "llbuild.lock", "-o", tmp_path / "out", tmp_path)
    assert (tmp_path / "out/arch").read_text() == "arm64"


def test_an_annotated_tag_stays_itself_in_a_kept_git_folder(
    llbuild: Llbuild, repo: Repository, context: Callable[..., Path], tmp_path: Path
) -> None:
    repo.git("tag", "-a", "-m", "a tag", "v1")
    folder = context(f"FROM scratch\nADD --keep-git-dir=true {repo.url}#v1 /\n")
    llbuild("lock", folder)
    assert f'tag = "{repo.git("rev-parse", "v1")}"' in (folder / "llbuild.lock").read_text()
    other = Llbuild(root=tmp_path / "other")
    other("build", "--locked", "-o", f"type=local,dest={tmp_path / 'files'}", folder)
    told = run_tool([require_tool("git"), "--git-dir", tmp_path / "files/.git", "rev-parse", "refs/tags/v1"])
    assert told.strip() == repo.git("rev-parse", "v1")


def test_solve_takes_a_lock_as_build_does(world: World, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    machine = world.machine("machine")
    machine("compile", "--format", "bundle", "-o", bundle, world.context)
    lock = tmp_path / "solve.lock"
    machine("solve", "-t", "x", "--lock", lock, bundle)
    assert lock.read_text().count("[[") == 2  # the image has its digest in the bundle
    world.move("two", NOW)
    world.web.put("/page", b"page one\n", modified=NOW)
    other = world.machine("other")
    other("solve", "-t", "x", "--lock", lock, "--locked", bundle)
    assert other("run", "x", "cat", "/told").stdout.split("\n")[:4] == ONE


def test_a_build_that_fails_leaves_the_lock_file_alone(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context("FROM busybox\nRUN false\n")
    llbuild("build", "--lock", folder / "llbuild.lock", folder, exit_code=1)
    assert not (folder / "llbuild.lock").exists()


def test_entries_of_other_builds_stay_until_they_are_pruned(
    llbuild: Llbuild, context: Callable[..., Path], web: WebServer
) -> None:
    first, second = web.put("/1", b"1"), web.put("/2", b"2")
    folder = context(f"FROM scratch\nADD {first} /\n")
    llbuild("lock", folder)
    context(f"FROM scratch\nADD {second} /\n")
    llbuild("lock", folder)
    assert (folder / "llbuild.lock").read_text().count("[[") == 2
    assert f"{first}: dropped" in llbuild("lock", "--prune", folder).stdout
    assert (folder / "llbuild.lock").read_text().count("[[") == 1


def test_wrong_use_is_told(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    folder = context("FROM busybox\n")
    assert "expected a file" in llbuild("build", "--lock", tmp_path, folder, exit_code=2).stderr
    assert "make it with `llbuild lock`" in llbuild("build", "--locked", folder, exit_code=1).stderr
    nowhere = llbuild("build", "--lock", tmp_path / "no/llbuild.lock", folder, exit_code=1)
    assert "there is no folder" in nowhere.stderr
    other = llbuild("lock", "--only", "alpine", folder, exit_code=2)
    assert "is no source of this build" in other.stderr
    assert "docker.io/library/busybox:latest" in other.stderr
    (folder / "llbuild.lock").write_text("version = 1\n\n[[image]]\nname = 'busybox'\n")
    wrong = llbuild("build", "--locked", folder, exit_code=1)
    assert "digest is missing" in wrong.stderr
    assert "llbuild.lock:3" in wrong.stderr


def test_passwords_are_not_written(llbuild: Llbuild, context: Callable[..., Path], web: WebServer) -> None:
    url = web.put("/a", b"a").replace("http://", "http://alice:secret@")
    folder = context(f"FROM scratch\nADD {url} /\n")
    llbuild("lock", folder)
    text = (folder / "llbuild.lock").read_text()
    assert "secret" not in text
    llbuild("build", "--locked", folder)


def test_locked_builds_make_the_same_image(world: World, tmp_path: Path) -> None:
    epoch = {"SOURCE_DATE_EPOCH": "1600000000"}
    images = []
    for name in ("first", "second"):
        out = tmp_path / f"{name}.tar"
        machine = world.machine(name)
        machine(
            "build", "--lock", world.lock, "-o", f"type=oci,dest={out},rewrite-timestamp=true", world.context, env=epoch
        )
        images.append(read_image(out).digest)
        world.web.put("/page", b"page one\n", modified=NOW)
        world.repo.commit(a="another\n")
    assert images[0] == images[1]
