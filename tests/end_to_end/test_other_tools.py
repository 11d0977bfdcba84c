"""Programs that nobody here wrote read, unpack and run what llbuild makes."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

DOCKERFILE = """
FROM busybox
LABEL purpose=reading
RUN echo hello > /greeting && rm /bin/vi
RUN mkdir /opt && ln /greeting /opt/link
# An ordinary user has no other id to give files to.
RUN chown 33:33 /opt || true
ENV NAME=value
CMD ["sh", "-c", "cat /opt/link; echo $NAME"]
"""
SAID = "hello\nvalue\n"


@pytest.fixture
def archive(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> Path:
    file = tmp_path / "image.tar"
    llbuild("build", "-t", "example.org/demo:1", "-o", f"type=oci,dest={file}", context(DOCKERFILE))
    return file


@pytest.fixture
def layout(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    llbuild("build", "-o", f"type=oci,tar=false,dest={folder}", context(DOCKERFILE))
    return folder


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[list[str]]:
    """Flags that keep buildah and podman in folders of this test's own (podman wants a short name for the second)."""
    with tempfile.TemporaryDirectory(prefix="llb-") as short:
        yield [f"--root={tmp_path / 'containers'}", f"--runroot={short}", "--storage-driver=vfs"]


def test_skopeo_inspects_the_archive(archive: Path) -> None:
    seen = json.loads(run_tool([require_tool("skopeo"), "inspect", f"oci-archive:{archive}"]))
    assert seen["Labels"] == {"purpose": "reading"}
    assert "NAME=value" in seen["Env"]
    assert len(seen["Layers"]) == 4


def test_skopeo_copies_the_folder_blob_for_blob(layout: Path, tmp_path: Path) -> None:
    skopeo = [require_tool("skopeo"), "--insecure-policy"]
    run_tool([*skopeo, "copy", f"oci:{layout}", f"oci:{tmp_path / 'copy'}:x"])
    copied = {path.name for path in (tmp_path / "copy/blobs/sha256").iterdir()}
    assert copied <= {path.name for path in (layout / "blobs/sha256").iterdir()}


def test_skopeo_reads_the_store_itself(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    llbuild("build", "-t", "example.org/demo:1", context(DOCKERFILE))
    ref = f"oci:{llbuild.root / 'content'}:example.org/demo:1"
    seen = json.loads(run_tool([require_tool("skopeo"), "inspect", ref]))
    assert seen["Labels"] == {"purpose": "reading"}


@pytest.mark.needs_root
def test_umoci_unpacks_the_folder(llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path) -> None:
    umoci = require_tool("umoci")
    layout = tmp_path / "image"
    llbuild("build", "-t", "demo:1", "-o", f"type=oci,tar=false,dest={layout}", context(DOCKERFILE))
    index = json.loads((layout / "index.json").read_text())
    tag = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    run_tool([umoci, "unpack", "--image", f"{layout}:{tag}", tmp_path / "bundle"])
    rootfs = tmp_path / "bundle/rootfs"
    assert (rootfs / "opt/link").read_text() == "hello\n"
    assert (rootfs / "opt/link").stat().st_ino == (rootfs / "greeting").stat().st_ino
    assert (rootfs / "opt").stat().st_uid == 33
    assert not (rootfs / "bin/vi").is_symlink()


@pytest.mark.needs_root
def test_buildah_reads_the_archive_and_runs_it(archive: Path, containers: list[str]) -> None:
    require_tool("runc")
    buildah = [require_tool("buildah"), *containers]
    container = run_tool([*buildah, "from", "--pull-never", f"oci-archive:{archive}"]).split()[-1]
    run = [*buildah, "run", "--isolation=chroot", container, "--"]
    assert run_tool([*run, "sh", "-c", "cat /opt/link; echo $NAME"]) == SAID


@pytest.mark.needs_root
def test_podman_loads_the_archive_and_runs_it(archive: Path, containers: list[str]) -> None:
    require_tool("runc")
    podman = [require_tool("podman"), *containers, "--cgroup-manager=cgroupfs"]
    image = run_tool([*podman, "load", "-q", "-i", archive]).split()[-1]
    # Limits of its own: podman's defaults may lie above what this machine lets anyone set.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    assert run_tool([*podman, "--runtime=runc", "run", "--rm", "--network=none", *limits, image]) == SAID
