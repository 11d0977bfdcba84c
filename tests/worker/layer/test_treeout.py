"""Trees that leave llbuild: `-o type=local` and `-o type=tar`."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import ExportError
from llbuild.tests.worker.layer.trees import look
from llbuild.worker.layer import tree_to_folder, trees_to_tar
from llbuild.worker.snapshot import FolderTree, MergedTree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    """A base with three files, and a layer that changes one, deletes one and adds a hard link."""
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for layer in (lower, upper):
        (layer / "etc").mkdir(parents=True)
    (lower / "etc/kept").write_text("kept")
    (lower / "etc/changed").write_text("old")
    (lower / "etc/gone").write_text("gone")
    os.symlink("/etc/kept", lower / "link")
    (upper / "etc/changed").write_text("new")
    os.mknod(upper / "etc/gone", stat.S_IFCHR, 0)
    (upper / "a").write_bytes(b"x" * 2_000_000)
    os.link(upper / "a", upper / "b")
    for path in (lower / "etc/kept", upper / "a", upper / "etc"):
        os.utime(path, (5, 5))
    return [lower, upper]


def merged(layers: list[Path]) -> MergedTree:
    return MergedTree([str(layer) for layer in layers], userxattr=False)


def test_a_stack_goes_to_a_folder_as_one_tree(layers: list[Path], tmp_path: Path) -> None:
    dest = tmp_path / "new" / "dest"
    done = tree_to_folder(merged(layers), str(dest))
    seen = look(dest)
    assert sorted(seen) == ["a", "b", "etc", "etc/changed", "etc/kept", "link"]
    assert (dest / "etc/changed").read_text() == "new"
    assert seen["b"].same_as == "a"
    assert (seen["etc"].mtime_s, seen["etc/kept"].mtime_s, seen["a"].mtime_s) == (5, 5, 5)
    assert seen["link"].content == "/etc/kept"
    assert (done.entries, done.devices_skipped) == (6, 0)


@pytest.mark.needs_root
def test_files_in_a_folder_belong_to_who_runs_the_build(layers: list[Path], tmp_path: Path) -> None:
    os.chown(layers[1] / "a", 123, 456)
    tree_to_folder(merged(layers), str(tmp_path / "dest"))
    assert {seen.owner for seen in look(tmp_path / "dest").values()} == {(os.geteuid(), os.getegid())}


def test_a_folder_that_has_files_keeps_the_others(layers: list[Path], tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    (dest / "etc").mkdir(parents=True)
    (dest / "etc/mine").write_text("mine")
    (dest / "a").write_text("in the way")
    (dest / "link").mkdir()
    tree_to_folder(merged(layers), str(dest))
    assert (dest / "etc/mine").read_text() == "mine"
    assert (dest / "a").stat().st_size == 2_000_000
    assert (dest / "link").is_symlink()


def test_links_in_the_destination_are_replaced_and_not_followed(layers: list[Path], tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "dest").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "dest" / "etc")
    tree_to_folder(merged(layers), str(tmp_path / "dest"))
    assert os.listdir(tmp_path / "outside") == []


def test_a_destination_that_cannot_be_written_is_an_export_error(layers: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot write .*/file/dest: Not a directory"):
        tree_to_folder(merged(layers), str(tmp_path / "file" / "dest"))


def test_a_stack_goes_to_a_tar_that_the_standard_library_reads(layers: list[Path]) -> None:
    out = io.BytesIO()
    trees_to_tar({"": merged(layers)}, out.write)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["a", "b", "etc", "etc/changed", "etc/kept", "link"]
        assert (members[1].type, members[1].linkname) == (tarfile.LNKTYPE, "a")
        changed = archive.extractfile("etc/changed")
        assert changed is not None
        assert changed.read() == b"new"
    assert members[0].mtime == 5


@pytest.mark.needs_root
def test_owners_count_for_images_and_not_for_a_clients_folder(layers: list[Path]) -> None:
    os.chown(layers[1] / "a", 123, 456)
    owners = []
    for tree in (merged(layers), FolderTree(str(layers[1]))):
        out = io.BytesIO()
        trees_to_tar({"": tree}, out.write)
        with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
            member = archive.getmember("a")
            owners.append((member.uid, member.gid))
    assert owners == [(123, 456), (0, 0)]


def test_two_tars_of_one_tree_are_equal(layers: list[Path]) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    trees_to_tar({"": merged(layers)}, first.write)
    trees_to_tar({"": merged(layers)}, second.write)
    assert first.getvalue() == second.getvalue()


def test_a_sparse_file_goes_out_sparse(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    with (layer / "disk").open("wb") as file:
        file.write(b"start")
        file.seek(40 << 20)
        file.write(b"middle")
        file.truncate(60 << 20)
    tree_to_folder(MergedTree([str(layer)], userxattr=os.geteuid() != 0), str(tmp_path / "out"))
    out = tmp_path / "out/disk"
    assert out.read_bytes() == (layer / "disk").read_bytes()
    assert out.stat().st_blocks * 512 < 8 << 20
