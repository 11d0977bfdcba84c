"""Tools nobody here wrote read our layers, and we read theirs."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.worker.layer.trees import extract, look, pack
from llbuild.worker.layer import Compression

pytestmark = pytest.mark.needs_root  # owners and devices


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One of everything that a layer without deletions can have."""
    root = tmp_path / "tree"
    deep = root.joinpath(*(["directory-with-a-long-name"] * 8))
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(os.urandom(100_000))
    (root / "empty").touch()
    (root / "café 日本").write_text("utf-8")
    (root / os.fsdecode(b"latin-\xe9")).write_text("not utf-8")
    (root / ("n" * 255)).write_text("long")
    (root / "-").write_text("dash")
    (root / "new\nline").write_text("n")
    os.link(root / "empty", root / "hard link")
    os.symlink("t" * 300, root / "long link")
    os.symlink("../../outside", root / "up")
    os.mkfifo(root / "fifo", 0o620)
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    os.mknod(root / "loop", 0o060660, os.makedev(259, 70_000))
    (root / "suid").touch()
    os.chown(root / "suid", 1000, 3_000_000)
    os.chmod(root / "suid", 0o6755)
    os.setxattr(root / "empty", "user.note", b"\0binary\n=")
    os.chmod(root / "directory-with-a-long-name", 0o1777)
    for path in root.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return root


@pytest.mark.parametrize("compression", list(Compression))
def test_gnu_tar_unpacks_our_layers(tree: Path, tmp_path: Path, compression: Compression) -> None:
    if compression is Compression.ZSTD:
        require_tool("zstd")
    blob, _ = pack(tree, compression)
    (tmp_path / "layer").write_bytes(blob)
    (tmp_path / "out").mkdir()
    options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-p"]
    run_tool(["tar", *options, "-C", tmp_path / "out", "-xf", tmp_path / "layer"])
    if compression is Compression.ESTARGZ:
        (tmp_path / "out/stargz.index.json").unlink()
        (tmp_path / "out/.no.prefetch.landmark").unlink()
    assert look(tmp_path / "out") == look(tree)


@pytest.mark.parametrize("form", ["gnu", "posix", "oldgnu"])
def test_we_unpack_what_gnu_tar_packs(tree: Path, tmp_path: Path, form: str) -> None:
    if form != "posix":  # the others have no place for attributes
        os.removexattr(tree / "empty", "user.note")
        os.utime(tree / "empty", (1_600_000_000, 1_600_000_000))
    options = ["--xattrs"] if form == "posix" else []
    archive = tmp_path / "layer.tar"
    run_tool(["tar", f"--format={form}", *options, "-C", tree, "-cf", archive, "."])
    extract(archive.read_bytes(), tmp_path / "out")
    assert look(tmp_path / "out") == look(tree)


def test_we_unpack_a_ustar_archive_of_gnu_tar(tmp_path: Path) -> None:
    (tmp_path / "tree" / ("d" * 90)).mkdir(parents=True)
    (tmp_path / "tree" / ("d" * 90) / ("f" * 90)).write_text("x")
    archive = tmp_path / "layer.tar"
    run_tool(["tar", "--format=ustar", "-C", tmp_path / "tree", "-cf", archive, "."])
    extract(archive.read_bytes(), tmp_path / "out")
    assert look(tmp_path / "out") == look(tmp_path / "tree")


@pytest.mark.parametrize(
    "form", [["--format=gnu"], ["--format=posix"], ["--format=posix", "--sparse-version=0.1"]], ids=" ".join
)
def test_sparse_files_of_gnu_tar_are_unpacked_sparse(tmp_path: Path, form: list[str]) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, pieces in (("ends-in-data", 40), ("one", 1), ("none", 0), ("ends-in-hole", 3)):
        with (tree / name).open("wb") as file:
            for number in range(pieces):
                file.seek(number * 300_000 + 7)
                file.write(os.urandom(5000))
            if name != "ends-in-data":
                file.truncate(8 << 20)
    (tree / "plain").write_text("after them")
    archive = tmp_path / "sparse.tar"
    run_tool(["tar", "--sparse", *form, "-C", tree, "-cf", archive, "."])
    assert archive.stat().st_size < 1 << 20
    extract(archive.read_bytes(), tmp_path / "out")
    assert look(tmp_path / "out") == look(tree)
    assert sum(path.stat().st_blocks * 512 for path in (tmp_path / "out").iterdir()) < 16 << 20


def test_the_standard_library_lists_our_layers(tree: Path) -> None:
    blob, _ = pack(tree)
    with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
        assert sorted(archive.getnames()) == sorted(look(tree))


@pytest.fixture
def umoci_image(tmp_path: Path) -> str:
    """An empty image in an OCI layout, to add layers to."""
    require_tool("umoci")
    layout = tmp_path / "layout"
    run_tool(["umoci", "init", "--layout", layout])
    run_tool(["umoci", "new", "--image", f"{layout}:image"])
    return f"{layout}:image"


def unpack_with_umoci(image: str, out: Path) -> Path:
    run_tool(["umoci", "raw", "unpack", "--image", image, out])
    return out


def add_with_umoci(image: str, blob: bytes, folder: Path) -> None:
    layer = folder / "layer.tar"
    layer.write_bytes(gzip.decompress(blob))
    run_tool(["umoci", "raw", "add-layer", "--image", image, layer])


def test_umoci_unpacks_our_layers(tree: Path, tmp_path: Path, umoci_image: str) -> None:
    add_with_umoci(umoci_image, pack(tree)[0], tmp_path)
    assert look(unpack_with_umoci(umoci_image, tmp_path / "out")) == look(tree)


def test_umoci_applies_our_deletions(tree: Path, tmp_path: Path, umoci_image: str) -> None:
    upper = tmp_path / "upper"
    (upper / "directory-with-a-long-name").mkdir(parents=True)
    os.setxattr(upper / "directory-with-a-long-name", "trusted.overlay.opaque", b"y")
    (upper / "directory-with-a-long-name" / "new").touch()
    for name in ("empty", "café 日本", "up"):
        os.mknod(upper / name, 0o020000, 0)
    for layer in (tree, upper):
        add_with_umoci(umoci_image, pack(layer)[0], tmp_path)
    seen = look(unpack_with_umoci(umoci_image, tmp_path / "out"))
    assert {path for path in seen if path.startswith("directory")} == {
        "directory-with-a-long-name",
        "directory-with-a-long-name/new",
    }
    assert not {"empty", "café 日本", "up"} & set(seen)
    assert "hard link" in seen


def test_we_unpack_the_layers_umoci_writes(tree: Path, tmp_path: Path, umoci_image: str) -> None:
    run_tool(["umoci", "insert", "--image", umoci_image, tree, "/"])
    layout = Path(umoci_image.rpartition(":")[0])
    blobs = [blob.read_bytes() for blob in (layout / "blobs" / "sha256").iterdir()]
    (layer,) = (blob for blob in blobs if blob.startswith(b"\x1f\x8b"))
    extract(layer, tmp_path / "out")
    assert look(tmp_path / "out") == look(tree)


def test_a_mounted_overlay_shows_what_the_layers_say(tmp_path: Path) -> None:
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for folder in (lower / "d", lower / "e", upper, work, merged):
        folder.mkdir(parents=True)
    for path in ("d/old", "e/gone", "e/kept"):
        (lower / path).write_text(path)
    made = tmp_path / "made"
    (made / "d").mkdir(parents=True)
    (made / "e").mkdir()
    os.setxattr(made / "d", "trusted.overlay.opaque", b"y")
    (made / "d" / "new").touch()
    os.mknod(made / "e" / "gone", 0o020000, 0)
    upper.rmdir()
    extract(pack(made)[0], upper)
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", merged],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"needs to mount an overlay: {mounted.stderr.strip()}")
    try:
        assert sorted(look(merged)) == ["d", "d/new", "e", "e/kept"]
    finally:
        run_tool(["umount", merged])
