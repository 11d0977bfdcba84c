"""Archives that ADD unpacks, on top of the layers of a base image."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from llbuild.errors import CorruptError
from llbuild.tests.worker.layer.tars import entry, folder, hard_link, symlink, tar
from llbuild.tests.worker.layer.trees import look
from llbuild.worker.layer import is_archive, unpack_archive
from llbuild.worker.snapshot import LayerWriter, MergedTree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs_root  # owners, and whiteouts of the base


class Growing:
    """A base layer on disk and a new one on top of it."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "base"
        self.upper = folder / "upper"
        self.base.mkdir()
        self.upper.mkdir()

    def add(self, archive: bytes, dest: str = "", owner: tuple[int, int] | None = None) -> None:
        writer = LayerWriter(MergedTree([str(self.base)], userxattr=False), str(self.upper), userxattr=False)
        if dest:
            writer.make_folder(dest)
        unpack_archive(io.BytesIO(archive), writer, dest, owner=owner)


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path)


def test_files_land_below_the_destination_with_the_owners_of_the_archive(growing: Growing) -> None:
    growing.add(tar(folder("d", uid=7, mtime=3), entry("d/f", content=b"x", uid=5, gid=6, mtime=4)), "opt/app")
    info = os.stat(growing.upper / "opt/app/d/f")
    assert (info.st_uid, info.st_gid, info.st_mtime) == (5, 6, 4)
    assert os.stat(growing.upper / "opt/app/d").st_mtime == 3


def test_an_owner_that_was_asked_for_replaces_all(growing: Growing) -> None:
    growing.add(tar(folder("d", uid=7), entry("d/f", uid=5), symlink("d/s", "f")), owner=(11, 12))
    assert {seen.owner for seen in look(growing.upper).values()} == {(11, 12)}


def test_whiteout_names_have_no_meaning(growing: Growing) -> None:
    (growing.base / "f").touch()
    growing.add(tar(entry(".wh.f"), entry(".wh..wh..opq")))
    assert sorted(os.listdir(growing.upper)) == [".wh..wh..opq", ".wh.f"]


def test_parents_that_are_links_in_the_base_are_followed_inside_the_root(growing: Growing) -> None:
    (growing.base / "usr/lib").mkdir(parents=True)
    os.chmod(growing.base / "usr", 0o711)
    os.symlink("/usr/lib", growing.base / "lib")
    growing.add(tar(entry("lib/x/y", content=b"1"), entry("lib/z")))
    assert (growing.upper / "usr/lib/x/y").read_bytes() == b"1"
    assert (growing.upper / "usr/lib/z").exists()
    assert not (growing.upper / "lib").exists()
    assert stat.S_IMODE(os.stat(growing.upper / "usr").st_mode) == 0o711


def test_a_folder_member_replaces_a_link_of_the_base_as_docker_does(growing: Growing) -> None:
    (growing.base / "usr/lib").mkdir(parents=True)
    os.symlink("usr/lib", growing.base / "lib")
    growing.add(tar(folder("lib"), entry("lib/x")))
    assert (growing.upper / "lib/x").exists()
    assert not (growing.upper / "usr").exists()


def test_a_folder_over_a_folder_keeps_what_is_in_the_base(growing: Growing) -> None:
    (growing.base / "d").mkdir()
    (growing.base / "d/kept").touch()
    growing.add(tar(folder("d", mode=0o700), entry("d/new")))
    with pytest.raises(OSError, match="No data"):
        os.getxattr(growing.upper / "d", "trusted.overlay.opaque")
    assert stat.S_IMODE(os.stat(growing.upper / "d").st_mode) == 0o700


def test_a_file_over_a_folder_of_the_base_hides_it(growing: Growing) -> None:
    (growing.base / "d").mkdir()
    (growing.base / "d/old").touch()
    growing.add(tar(entry("d", content=b"x")))
    assert (growing.upper / "d").read_bytes() == b"x"


def test_a_second_archive_replaces_files_of_the_first(growing: Growing) -> None:
    growing.add(tar(entry("f", content=b"1"), folder("d"), entry("d/x"), symlink("s", "f")))
    growing.add(tar(entry("f", content=b"2"), entry("d", content=b"3"), folder("s")))
    assert (growing.upper / "f").read_bytes() == b"2"
    assert (growing.upper / "d").read_bytes() == b"3"
    assert (growing.upper / "s").is_dir()


def test_hard_links_are_relative_to_the_destination(growing: Growing) -> None:
    growing.add(tar(entry("a", content=b"1"), hard_link("b", "/a")), "opt")
    assert os.stat(growing.upper / "opt/b").st_nlink == 2


def test_an_archive_cannot_leave_its_destination(growing: Growing) -> None:
    with pytest.raises(CorruptError, match="leads out of it"):
        growing.add(tar(entry("../f")), "opt")


def test_links_of_the_archive_lead_nowhere_but_into_the_layer(growing: Growing, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    growing.add(tar(symlink("l", str(tmp_path / "outside")), entry("l/f", content=b"x")), "opt")
    assert os.listdir(tmp_path / "outside") == []
    assert growing.upper.joinpath(*(tmp_path / "outside" / "f").parts[1:]).read_bytes() == b"x"


ARCHIVE = tar(entry("f", content=os.urandom(3000)))


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (ARCHIVE, True),
        (gzip.compress(ARCHIVE), True),
        (bz2.compress(ARCHIVE), True),
        (lzma.compress(ARCHIVE), True),
        (zstandard.compress(ARCHIVE), True),
        (tar(entry("f"), form=tarfile.USTAR_FORMAT), True),
        (tar(entry("f" * 200), form=tarfile.GNU_FORMAT), True),
        (tar(entry("f", b"!")), True),  # unpacking it says what is wrong
        (tar(entry("../f")), True),
        (b"", False),
        (b"text", False),
        (b"x" * 5000, False),
        (bytes(10240), False),
        (gzip.compress(b"text" * 1000), False),
        (b"\x1f\x8b\x08broken", False),
        (gzip.compress(ARCHIVE)[:40], False),
        (b"PK\x03\x04" + bytes(600), False),
    ],
)
def test_archives_are_told_by_their_content(content: bytes, want: bool) -> None:
    assert is_archive(io.BytesIO(content)) is want


def test_a_large_bzip2_archive_is_one_though_its_first_kilobyte_says_nothing() -> None:
    assert is_archive(io.BytesIO(bz2.compress(tar(entry("f", content=os.urandom(950_000))))))
