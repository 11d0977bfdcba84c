"""Programs that nobody here wrote read, unpack and run what llbuild makes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.fixtures_registry import serve_registry
from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llbuild.tests.end_to_end.driver import Llbuild
    from llbuild.tests.fixtures_registry import Registry

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
    assert told_by_buildah(buildah, container, "cat /opt/link; echo $NAME") == SAID


def told_by_buildah(buildah: list[str], container: str, script: str) -> str:
    """What a script prints in a container: into a file of it, for buildah may end before it has passed on a pipe's."""
    run_tool([*buildah, "run", "--isolation=chroot", container, "--", "sh", "-c", f"({script}) > /told"])
    return (Path(run_tool([*buildah, "mount", container]).strip()) / "told").read_text()


@pytest.mark.needs_root
def test_podman_loads_the_archive_and_runs_it(archive: Path, containers: list[str]) -> None:
    require_tool("runc")
    podman = [require_tool("podman"), *containers, "--cgroup-manager=cgroupfs"]
    image = run_tool([*podman, "load", "-q", "-i", archive]).split()[-1]
    # Limits of its own: podman's defaults may lie above what this machine lets anyone set.
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    assert run_tool([*podman, "--runtime=runc", "run", "--rm", "--network=none", *limits, image]) == SAID


TRANSPORTS = ["oci", "oci-archive", "docker-archive", "dir", "docker"]


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_skopeo_copies_what_each_exporter_writes_to_every_transport(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path, transport: str
) -> None:
    """skopeo checks every digest on the way; what arrives says the same, whatever form it has there."""
    pushed = f"{registry.address}/tools/{transport}:1"
    named = "name=example.org/demo:1"
    llbuild(
        *("build", "-o", f"type=oci,tar=false,dest={tmp_path / 'oci'},{named}"),
        *("-o", f"type=oci,dest={tmp_path / 'oci.tar'},{named}", "-o", f"type=image,{named}"),
        *("-o", f"type=docker,dest={tmp_path / 'docker.tar'},{named}"),
        *("-o", f"type=registry,name={pushed}", context(DOCKERFILE)),
    )
    sources = {
        "folder": f"oci:{tmp_path / 'oci'}:1",
        "archive": f"oci-archive:{tmp_path / 'oci.tar'}",
        "docker": f"docker-archive:{tmp_path / 'docker.tar'}",
        "registry": f"docker://{pushed}",
        "store": f"oci:{llbuild.root / 'content'}:example.org/demo:1",
    }
    skopeo = [require_tool("skopeo"), "--insecure-policy"]
    copy = [*skopeo, "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
    said = []
    for name, source in sources.items():
        dest = f"{transport}:{tmp_path / f'to-{name}'}"
        if transport == "docker":
            dest = f"docker://{registry.address}/tools/copy-{name}:1"
        elif transport == "docker-archive":
            dest += ":example.org/copied:1"
        run_tool([*copy, source, dest])
        seen = json.loads(run_tool([*skopeo, "inspect", "--config", "--raw", "--tls-verify=false", dest]))
        said.append([seen["rootfs"], seen["config"], seen["history"], seen["created"]])
    assert said == [said[0]] * len(sources)


def test_skopeo_copies_an_index_with_all_its_images(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"
    archive, name = tmp_path / "index.tar", f"{registry.address}/tools/index:1"
    llbuild(
        *("build", "--platform", "linux/amd64,linux/arm64,linux/s390x", "-o", f"type=oci,dest={archive}"),
        *("-o", f"type=registry,name={name}", context(text)),
    )
    skopeo = [require_tool("skopeo"), "--insecure-policy"]
    inspect = [*skopeo, "inspect", "--raw", "--tls-verify=false"]
    for number, source in enumerate((f"oci-archive:{archive}", f"docker://{name}")):
        copied = f"dir:{tmp_path / f'copy{number}'}"
        run_tool([*skopeo, "copy", "-q", "--all", "--src-tls-verify=false", source, copied])
        assert run_tool([*inspect, copied]) == run_tool([*inspect, source])
        for arch in ("amd64", "arm64", "s390x"):
            seen = json.loads(run_tool([*skopeo, f"--override-arch={arch}", "inspect", "--tls-verify=false", source]))
            assert seen["Architecture"] == arch


def listed(mtree: str) -> dict[str, dict[str, str]]:
    """The entries of an mtree(5) file as umoci writes them: keywords by path."""
    found: dict[str, dict[str, str]] = {}
    defaults: dict[str, str] = {}
    place: list[str] = []
    for line in mtree.replace("\\\n", " ").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        keywords = dict(word.partition("=")[::2] for word in words[1:])
        if words[0] == "/set":
            defaults = keywords
        elif words[0] == "..":
            place.pop()
        else:
            path = "/".join([*place, words[0]])
            found[path] = {**defaults, **keywords}
            if found[path].get("type") == "dir":
                place.append(words[0])
    return found


@pytest.mark.needs_root
def test_umocis_mtree_describes_the_files_that_we_export(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    """Two ways from the same layers to a file tree: umoci's, as its mtree says, and ours (`type=tar`)."""
    umoci = require_tool("umoci")
    layout, files = tmp_path / "image", tmp_path / "files.tar"
    llbuild(
        *("build", "-t", "demo:1", "-o", f"type=oci,tar=false,dest={layout}", "-o", f"type=tar,dest={files}"),
        context(DOCKERFILE + "RUN chmod 4711 /greeting; mkfifo /pipe; echo a > '/b c'; rm -r /home; mkdir /home\n"),
    )
    run_tool([umoci, "unpack", "--image", f"{layout}:1", tmp_path / "bundle"])
    (described,) = (tmp_path / "bundle").glob("*.mtree")
    entries = {
        os.path.normpath(re.sub(r"\\([0-7]{3})|\\s", _unescape, path)): keywords
        for path, keywords in listed(described.read_text()).items()
    }
    with tarfile.open(files) as tar:
        ours = {member.name: member for member in tar}
        assert entries.keys() - {"."} == ours.keys()
        for name, member in ours.items():
            said = entries[name]
            assert (int(said["uid"]), int(said["gid"])) == (member.uid, member.gid), name
            file = ours[member.linkname] if member.islnk() else member  # to umoci both are names of one file
            assert said["type"] == _TYPES[file.type], name
            if said["type"] != "link":
                assert int(said["mode"], 8) == file.mode, name
            if said["type"] == "file":
                content = tar.extractfile(file)
                assert content is not None
                assert said["sha256digest"] == hashlib.sha256(content.read()).hexdigest(), name
                assert float(said["tar_time"]) == int(file.mtime), name


_TYPES = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo"}


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1], 8)) if found[1] else " "


@pytest.mark.needs_root
@pytest.mark.slow
@pytest.mark.parametrize("form", ["docker", "oci", "registry"])
def test_podman_and_buildah_take_an_image_from_wherever_it_is(
    llbuild: Llbuild, context: Callable[..., Path], registry: Registry, containers: list[str], tmp_path: Path, form: str
) -> None:
    require_tool("runc")
    place = {
        "docker": f"docker-archive:{tmp_path / 'image'}",
        "oci": f"oci:{tmp_path / 'image'}:1",
        "registry": f"docker://{registry.address}/tools/podman:1",
    }[form]
    output = {
        "docker": f"type=docker,dest={tmp_path / 'image'}",
        "oci": f"type=oci,tar=false,dest={tmp_path / 'image'}",
        "registry": f"type=registry,name={registry.address}/tools/podman:1",
    }[form]
    tag = [] if form == "registry" else ["-t", "demo:1"]
    llbuild("build", *tag, "-o", output, context(DOCKERFILE))
    podman = [require_tool("podman"), *containers, "--cgroup-manager=cgroupfs"]
    insecure = ["--tls-verify=false"] if form == "registry" else []
    image = run_tool([*podman, "pull", "-q", *insecure, place]).split()[-1]
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    assert run_tool([*podman, "--runtime=runc", "run", "--rm", "--network=none", *limits, image]) == SAID
    buildah = [require_tool("buildah"), *containers]
    container = run_tool([*buildah, "from", "--pull-never", image]).split()[-1]
    assert told_by_buildah(buildah, container, "cat /opt/link") == "hello\n"


@pytest.mark.slow
def test_a_registry_has_nothing_to_collect_after_pushes(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    """Everything that was uploaded is referred to by something: no orphans of pushes, caches and attestations."""
    (tmp_path / "own").mkdir()
    with serve_registry(tmp_path / "own") as own:
        folder = context(DOCKERFILE)
        for spec, flags in (
            (f"type=registry,name={own.address}/gc/plain:1", []),
            (f"type=registry,name={own.address}/gc/zstd:1,compression=zstd,force-compression=true", []),
            (f"type=registry,name={own.address}/gc/docker:1,oci-mediatypes=false", []),
            (f"type=registry,name={own.address}/gc/digest,push-by-digest=true", []),
            (f"type=registry,name={own.address}/gc/attested:1", ["--provenance", "mode=max"]),
            ("type=cacheonly", ["--cache-to", f"type=registry,ref={own.address}/gc/cache:1,mode=max"]),
        ):
            llbuild("build", "-o", spec, *flags, folder)
        (folder / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
        llbuild(
            *("build", "--platform", "linux/amd64,linux/arm64", "--push", "-t", f"{own.address}/gc/plain:1", folder)
        )
        config = own.folder.parent / "config.yml"
        told = run_tool([require_tool("docker-registry"), "garbage-collect", "--dry-run", config])
    assert re.search(r"^[1-9]\d* blobs marked, 0 blobs and 0 manifests eligible for deletion", told, re.MULTILINE)
