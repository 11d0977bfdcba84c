"""`--load`: real engines of the tests' own, which get what they lack."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from llbuild.tests.end_to_end.oci import read_image
from llbuild.tests.fixtures_docker import Docker, serve_docker
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    from llbuild.tests.end_to_end.driver import Llbuild

    PodmanAt: TypeAlias = Callable[[str], dict[str, str]]

DOCKERFILE = """
FROM busybox
RUN echo hello > /greeting
CMD ["cat", "/greeting"]
"""


@pytest.fixture(name="podman_at")
def _podman_at(tmp_path: Path) -> PodmanAt:
    """The environment in which --load means podman, on this path, whether or not there is a docker as well."""

    def environment(path: str) -> dict[str, str]:
        config = tmp_path / "engine.toml"
        config.write_text('[build]\nengine = "podman"\n')
        return {"PATH": path, "LLBUILD_CONFIG": str(config)}

    return environment


@pytest.fixture(name="docker", scope="module")
def _docker() -> Iterator[Docker]:
    with serve_docker() as docker:
        yield docker


def large_context(context: Callable[..., Path], more: str = "") -> Path:
    """Its image has one layer of more than is sent without a question, and what `more` adds."""
    folder = context(f"FROM busybox\nCOPY noise /noise\nRUN echo one > /one\n{more}")
    noise = folder / "noise"
    if not noise.exists():
        noise.write_bytes(os.urandom(12 << 20))
    return folder


def layers_of(docker: Docker, name: str) -> Any:
    (image,) = json.loads(docker("image", "inspect", name))
    return image["RootFS"]["Layers"]


def recorded(folder: Path, docker: Docker) -> tuple[dict[str, str], Path]:
    """The environment in which `docker load` leaves behind what it was sent."""
    programs, sent = folder / "recording", folder / "sent.tar"
    programs.mkdir()
    (programs / "docker").write_text(
        f'#!/bin/sh\n[ "$1" = load ] || exec {docker.program} "$@"\ntee {sent} | {docker.program} "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    return {**docker.environment, "PATH": f"{programs}:{os.environ['PATH']}"}, sent


def test_docker_takes_an_image(llbuild: Llbuild, context: Callable[..., Path], docker: Docker, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    names = ("-t", "example.org/taken:1", "-t", "taken")
    llbuild.build("--load", *names, "-o", f"type=oci,dest={archive}", context(DOCKERFILE), env=docker.environment)
    wanted = read_image(archive)
    assert layers_of(docker, "example.org/taken:1") == wanted.config["rootfs"]["diff_ids"]
    (image,) = json.loads(docker("image", "inspect", "taken:latest"))
    assert image["Id"] == wanted.manifest["config"]["digest"]
    assert image["Config"]["Cmd"] == ["cat", "/greeting"]


def test_a_context_of_dockers_is_another_engine(llbuild: Llbuild, context: Callable[..., Path], docker: Docker) -> None:
    host = docker.environment["DOCKER_HOST"]
    docker("context", "create", "own", "--docker", f"host={host}")
    environment = {**docker.environment, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    folder = context(DOCKERFILE)
    assert "load failed" in llbuild.build("--load", "-t", "far", folder, env=environment, exit_code=1).stderr
    llbuild.build("-o", "type=docker,context=own", "-t", "far", folder, env=environment)
    assert layers_of(docker, "far")
    outcome = llbuild.build("-o", "type=docker,context=none", "-t", "far", folder, env=environment, exit_code=1)
    assert 'context "none"' in outcome.stderr


def test_docker_is_sent_only_the_layers_that_it_lacks(
    llbuild: Llbuild, context: Callable[..., Path], docker: Docker, tmp_path: Path
) -> None:
    environment, sent = recorded(tmp_path, docker)
    llbuild.build("--load", "-t", "grown:1", large_context(context), env=environment)
    assert sent.stat().st_size > 12 << 20
    llbuild.build("--load", "-t", "grown:2", large_context(context, "RUN echo two > /two\n"), env=environment)
    assert sent.stat().st_size < 1 << 20
    one, two = layers_of(docker, "grown:1"), layers_of(docker, "grown:2")
    assert two[:-1] == one
    # What was not sent is in it all the same.
    saved = tmp_path / "saved.tar"
    docker("save", "-o", str(saved), "grown:2")
    llbuild("load", "-i", saved)
    noise = (tmp_path / "context/noise").read_bytes()
    llbuild.build(
        *("-o", f"type=local,dest={tmp_path / 'out'}"), context("FROM grown:2\n", name="again"), env=environment
    )
    assert (tmp_path / "out/noise").read_bytes() == noise


def test_a_docker_that_lost_the_layers_meanwhile_is_sent_all(
    llbuild: Llbuild, context: Callable[..., Path], docker: Docker, tmp_path: Path
) -> None:
    llbuild.build("--load", "-t", "lost:1", large_context(context), env=docker.environment)
    wanted = layers_of(docker, "lost:1")
    programs, forgotten = tmp_path / "bin", tmp_path / "forgotten"
    programs.mkdir()
    (programs / "docker").write_text(
        f'#!/bin/sh\n[ "$1" = load ] && mkdir {forgotten} 2>/dev/null && {docker.program} rmi -f lost:1\n'
        f'exec {docker.program} "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    environment = {**docker.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    llbuild.build("--load", "-t", "lost:2", large_context(context, 'LABEL again="yes"\n'), env=environment)
    assert forgotten.exists()
    assert layers_of(docker, "lost:2") == wanted


def test_load_hands_the_image_to_the_engine_on_the_path(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, podman: list[str], podman_at: PodmanAt
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "podman").write_text("#!/bin/sh\nexec " + " ".join(podman) + ' "$@"\n')
    (programs / "podman").chmod(0o755)
    path = f"{programs}:/usr/bin:/bin"
    llbuild.build("--load", "-t", "example.org/loaded:1", context(DOCKERFILE), env=podman_at(path))
    (image,) = json.loads(run_tool([*podman, "inspect", "--type=image", "example.org/loaded:1"]))
    assert image["Config"]["Cmd"] == ["cat", "/greeting"]


def test_podman_reads_only_the_layers_that_it_lacks(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, podman: list[str], podman_at: PodmanAt
) -> None:
    programs, kept = tmp_path / "bin", tmp_path / "kept"
    programs.mkdir()
    # Takes away what podman must not need: the blobs of all layers but the newest.
    (programs / "podman").write_text(
        "#!/bin/sh\n"
        'case "$1 $3" in "pull dir:"*)\n'
        f'  for blob in $(find "${{3#dir:}}" -type l ! -lname "*/$(cat {kept})"); do rm "$blob"; done\n'
        f'esac\nexec {" ".join(podman)} "$@"\n'
    )
    (programs / "podman").chmod(0o755)
    path = f"{programs}:/usr/bin:/bin"
    kept.write_text("*")  # nothing is taken away
    llbuild.build("--load", "-t", "example.org/loaded:1", context(DOCKERFILE), env=podman_at(path))
    text, layout = f"{DOCKERFILE}RUN echo more > /more\n", tmp_path / "layout"
    llbuild.build("-o", f"type=oci,tar=false,dest={layout}", context(text))
    *_, newest = read_image(layout).manifest["layers"]
    kept.write_text(newest["digest"].removeprefix("sha256:"))
    llbuild.build(*("--load", "-t", "example.org/loaded:2", "-t", "other:3"), context(text), env=podman_at(path))
    images = [json.loads(run_tool([*podman, "inspect", "--type=image", f"example.org/loaded:{n}"])) for n in (1, 2)]
    assert len(images[1][0]["RootFS"]["Layers"]) == len(images[0][0]["RootFS"]["Layers"]) + 1
    assert "docker.io/library/other:3" in images[1][0]["RepoTags"]


def test_a_podman_that_reads_no_folders_is_sent_the_archive(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path, podman: list[str], podman_at: PodmanAt
) -> None:
    (tmp_path / "podman").write_text(
        '#!/bin/sh\n[ "$1" = pull ] && { echo "not a supported transport" >&2; exit 125; }\n'
        f'exec {" ".join(podman)} "$@"\n'
    )
    (tmp_path / "podman").chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    llbuild.build("--load", "-t", "example.org/sent:1", context(DOCKERFILE), env=podman_at(path))
    assert json.loads(run_tool([*podman, "inspect", "--type=image", "example.org/sent:1"]))


def test_what_the_engine_says_is_the_reason_of_the_failure(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho no daemon >&2\nexit 3\n")
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    outcome = llbuild.build("--load", "-t", "x", context(DOCKERFILE), env={"PATH": path}, exit_code=1)
    assert "load failed: no daemon" in outcome.stderr
    require_tool("podman")
    assert 'hint: there is podman as well: engine = "podman" under [build] in the config file' in outcome.stderr
