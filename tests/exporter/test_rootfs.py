from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from llbuild.errors import ExportError, LlbuildError
from llbuild.exporter import export_rootfs_folder, export_rootfs_tar, import_rootfs, stream_rootfs_tar
from llbuild.image import parse_reference
from llbuild.tests.exporter.samples import AMD64
from llbuild.tests.exporter.validate import validate_layout
from llbuild.tests.tools import require_tool, run_tool
from llbuild.worker.content import ContentStore
from llbuild.worker.snapshot import MergedTree

BASE = parse_reference("base")


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "root")


@pytest.fixture(name="rootfs")
def _rootfs(tmp_path: Path) -> Path:
    folder = tmp_path / "rootfs"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/tool").write_bytes(b"#!/bin/sh\n")
    (folder / "bin/tool").chmod(0o755)
    (folder / "bin/link").symlink_to("tool")
    return folder


def tar_of(folder: Path, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        tar.add(folder, ".")
    return buffer.getvalue()


def names_in(layer: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return sorted(name.removeprefix("./") for name in tar.getnames() if name not in {".", "./"})


@pytest.mark.parametrize("form", ["folder", "w", "w:gz", "w:xz"])
def test_a_root_filesystem_becomes_an_image(store: ContentStore, rootfs: Path, tmp_path: Path, form: str) -> None:
    source = rootfs
    if form != "folder":
        source = tmp_path / "rootfs.tar"
        source.write_bytes(tar_of(rootfs, form))
    made = import_rootfs(str(source), BASE, AMD64, store)
    (image,) = validate_layout(Path(store.folder))
    assert image.digest == made.digest
    assert image.name == "docker.io/library/base:latest"
    assert names_in(image.layers[0]) == ["bin", "bin/link", "bin/tool"]
    assert image.config["architecture"] == "amd64"
    assert [entry["created_by"] for entry in image.config["history"]] == ["llbuild import"]
    assert image.config["created"] == image.config["history"][0]["created"]


def test_a_tar_on_standard_input_becomes_an_image(store: ContentStore, rootfs: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from llbuild.exporter import import_rootfs\n"
        "from llbuild.image import parse_reference; from llbuild.platforms import host_platform\n"
        "from llbuild.worker.content import ContentStore\n"
        "import_rootfs('-', parse_reference('base'), host_platform(), ContentStore(Path(sys.argv[1])))\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, store.root]
    subprocess.run(command, input=tar_of(rootfs, "w"), env=environ, check=True)
    (image,) = validate_layout(Path(store.folder))
    assert names_in(image.layers[0]) == ["bin", "bin/link", "bin/tool"]


def test_the_same_files_again_are_the_same_image(store: ContentStore, rootfs: Path) -> None:
    first = import_rootfs(str(rootfs), BASE, AMD64, store)
    path = Path(store.path(first.digest))
    path.chmod(0o644)
    config = path.read_bytes()
    assert import_rootfs(str(rootfs), BASE, AMD64, store).digest == first.digest
    (rootfs / "new").write_text("x")
    assert import_rootfs(str(rootfs), BASE, AMD64, store).digest != first.digest
    assert path.read_bytes() == config
    assert len(store.images()) == 1


def test_umoci_unpacks_what_was_imported(store: ContentStore, rootfs: Path, tmp_path: Path) -> None:
    umoci = require_tool("umoci")
    import_rootfs(str(rootfs), parse_reference("base"), AMD64, store)
    skopeo = require_tool("skopeo")
    source = f"oci:{store.folder}:docker.io/library/base:latest"
    run_tool([skopeo, "--insecure-policy", "copy", source, f"oci:{tmp_path}/copied:there"])
    run_tool([umoci, "unpack", "--rootless", "--image", f"{tmp_path}/copied:there", tmp_path / "bundle"])
    assert (tmp_path / "bundle/rootfs/bin/link").readlink() == Path("tool")


@pytest.mark.parametrize("what", ["missing", "text", "empty", "torn"])
def test_what_is_no_root_filesystem_is_one_error_and_no_image(
    store: ContentStore, rootfs: Path, tmp_path: Path, what: str
) -> None:
    source = tmp_path / "source"
    if what != "missing":
        source.write_bytes({"text": b"hello", "empty": b"", "torn": tar_of(rootfs, "w")[:700]}[what])
    with pytest.raises(LlbuildError):
        import_rootfs(str(source), BASE, AMD64, store)
    assert store.images() == ()
    assert os.listdir(f"{store.folder}/ingest") == []


def test_a_result_is_written_as_a_folder(rootfs: Path, tmp_path: Path) -> None:
    tree = MergedTree([str(rootfs)], userxattr=False)
    for name in ("new", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        export_rootfs_folder(tree, str(tmp_path / name))
        assert (tmp_path / name / "bin/tool").read_bytes() == b"#!/bin/sh\n"
        assert (tmp_path / name / "bin/link").readlink() == Path("tool")
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_files_that_are_there_stay_unless_they_are_overwritten(rootfs: Path, tmp_path: Path) -> None:
    (tmp_path / "out/bin").mkdir(parents=True)
    (tmp_path / "out/bin/tool").write_text("old")
    (tmp_path / "out/mine").write_text("mine")
    export_rootfs_folder(MergedTree([str(rootfs)], userxattr=False), str(tmp_path / "out"))
    assert (tmp_path / "out/mine").read_text() == "mine"
    assert (tmp_path / "out/bin/tool").read_bytes() == b"#!/bin/sh\n"


def test_a_result_is_written_as_a_tar(rootfs: Path, tmp_path: Path) -> None:
    tree = MergedTree([str(rootfs)], userxattr=False)
    export_rootfs_tar({"": tree}, str(tmp_path / "out.tar"))
    with (tmp_path / "stream.tar").open("wb") as file:
        stream_rootfs_tar({"": tree}, file.fileno())
    assert (tmp_path / "stream.tar").read_bytes() == (tmp_path / "out.tar").read_bytes()
    assert names_in((tmp_path / "out.tar").read_bytes()) == ["bin", "bin/link", "bin/tool"]


def test_a_folder_that_cannot_be_written_says_why(rootfs: Path, tmp_path: Path) -> None:
    tree = MergedTree([str(rootfs)], userxattr=False)
    with pytest.raises(ExportError, match=r"cannot write .*/bin/tool/out: Not a directory"):
        export_rootfs_folder(tree, str(rootfs / "bin/tool/out"))
    with pytest.raises(ExportError, match=r"cannot write .*/no/where.tar: No such file or directory"):
        export_rootfs_tar({"": tree}, str(tmp_path / "no/where.tar"))
