"""What a packed layer says, read by the standard library."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import StoreError
from llbuild.tests.worker.layer.trees import pack
from llbuild.worker.layer import Compression, pack_layer
from llbuild.worker.layer.member import CHAR_DEVICE, DIRECTORY, FILE, SYMLINK, Member
from llbuild.worker.layer.tarstream import TarStream
from llbuild.worker.layer.tarwriter import END_OF_ARCHIVE, encode_member

if TYPE_CHECKING:
    from pathlib import Path


def members_of(blob: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_the_digests_and_sizes_are_those_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    blob, packed = pack(tmp_path)
    tar = gzip.decompress(blob)
    assert packed.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    assert packed.digest == "sha256:" + hashlib.sha256(blob).hexdigest()
    assert (packed.size_bytes, packed.unpacked_bytes) == (len(blob), len(tar))


@pytest.mark.parametrize(
    ("compression", "want"),
    [
        (Compression.NONE, "application/vnd.oci.image.layer.v1.tar"),
        (Compression.GZIP, "application/vnd.oci.image.layer.v1.tar+gzip"),
        (Compression.ZSTD, "application/vnd.oci.image.layer.v1.tar+zstd"),
    ],
)
def test_the_media_type_tells_the_compression(tmp_path: Path, compression: Compression, want: str) -> None:
    assert pack(tmp_path, compression)[1].media_type == want


def test_an_empty_folder_is_an_empty_archive(tmp_path: Path) -> None:
    assert pack(tmp_path, Compression.NONE)[0] == END_OF_ARCHIVE


def test_the_gzip_header_has_no_time_and_no_name(tmp_path: Path) -> None:
    blob, _ = pack(tmp_path)
    assert blob[3:8] == bytes(5)


def test_members_are_sorted_with_each_folder_before_what_is_in_it(tmp_path: Path) -> None:
    for path in ("b", "a/z", "a/b/c", "a.txt", "A"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert list(members_of(pack(tmp_path)[0])) == ["A", "a", "a/b", "a/b/c", "a/z", "a.txt", "b"]


@pytest.mark.needs_root
def test_whiteouts_and_opaque_folders_become_marker_files(tmp_path: Path) -> None:
    os.mknod(tmp_path / "gone", 0o020000, 0)
    (tmp_path / "new").mkdir()
    os.setxattr(tmp_path / "new", "trusted.overlay.opaque", b"y")
    (tmp_path / "new" / "file").touch()
    members = members_of(pack(tmp_path)[0])
    assert list(members) == [".wh.gone", "new", "new/.wh..wh..opq", "new/file"]
    assert members[".wh.gone"].isreg()
    assert not members["new"].pax_headers


@pytest.mark.needs_root
def test_whiteouts_that_share_an_inode_are_all_written(tmp_path: Path) -> None:
    """The kernel hard-links the whiteouts of a layer."""
    os.mknod(tmp_path / "one", 0o020000, 0)
    os.link(tmp_path / "one", tmp_path / "two")
    assert [(name, member.type) for name, member in members_of(pack(tmp_path)[0]).items()] == [
        (".wh.one", tarfile.REGTYPE),
        (".wh.two", tarfile.REGTYPE),
    ]


def test_the_second_name_of_a_file_is_a_hard_link_without_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    os.link(tmp_path / "a", tmp_path / "b")
    member = members_of(pack(tmp_path)[0])["b"]
    assert (member.type, member.linkname, member.size) == (tarfile.LNKTYPE, "a", 0)


def test_a_link_to_a_file_outside_the_layer_is_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    (tmp_path / "outside").write_text("content")
    os.link(tmp_path / "outside", tmp_path / "layer" / "inside")
    assert members_of(pack(tmp_path / "layer")[0])["inside"].isreg()


def test_sockets_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # their paths must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert members_of(pack(tmp_path)[0]) == {}


@pytest.mark.needs_root
def test_bookkeeping_of_overlay_and_of_the_host_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("trusted.overlay.origin", "user.overlay.impure", "user.kept", "trusted.kept"):
        os.setxattr(tmp_path / "file", name, b"v")
    headers = members_of(pack(tmp_path)[0])["file"].pax_headers
    assert sorted(headers) == ["SCHILY.xattr.trusted.kept", "SCHILY.xattr.user.kept"]


def test_a_pax_header_appears_only_where_one_is_needed(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "ü").touch()
    os.symlink("x" * 101, tmp_path / "link")
    with_pax = [name for name, member in members_of(pack(tmp_path)[0]).items() if member.pax_headers]
    assert with_pax == ["link", "ü"]


def test_a_long_name_that_fits_in_the_prefix_field_needs_no_pax_header(tmp_path: Path) -> None:
    folder = tmp_path / ("f" * 90)
    folder.mkdir()
    (folder / ("n" * 90)).touch()
    blob, _ = pack(tmp_path, Compression.NONE)
    assert len(blob) == 2 * 512 + 1024
    assert f"{'f' * 90}/{'n' * 90}" in members_of(blob)


@pytest.mark.parametrize(
    "member",
    [
        Member(b"a" * 100, FILE, 0o644, 0, 0, 0),
        Member(b"a" * 101, FILE, 0o644, 0, 0, 0),
        Member(b"d/" * 127 + b"e", FILE, 0o644, 0, 0, 0),
        Member(b"d/" * 200 + b"e", FILE, 0o644, 0, 0, 0),
        Member(b"d" * 99, DIRECTORY, 0o755, 0, 0, 0),
        Member(b"d" * 100, DIRECTORY, 0o755, 0, 0, 0),
        Member(b"p" * 155 + b"/" + b"n" * 100, FILE, 0o644, 0, 0, 0),
        Member(b"p" * 156 + b"/" + b"n" * 100, FILE, 0o644, 0, 0, 0),
        Member(b"old", FILE, 0o644, 0, 0, -5_000_000_000),
        Member(b"late", FILE, 0o644, 0, 0, (1 << 34) * 10**9),
        Member(b"ids", FILE, 0o7777, 0o7777777, 0o10000000, 0),
        Member(b"huge", FILE, 0o644, 0, 0, 0, 1 << 40),
        Member(b"link", SYMLINK, 0o777, 0, 0, 0, link=b"t" * 100),
        Member(b"link", SYMLINK, 0o777, 0, 0, 0, link="é".encode() * 200),
        Member(b"dev", CHAR_DEVICE, 0o666, 0, 0, 0, device=(4095, 1_048_575)),
        Member(b"x", FILE, 0o644, 0, 0, 0, xattrs=((b"user.n", b"v" * 2000),)),
    ],
    ids=lambda member: member.name[:6].decode() + str(len(member.name)),
)
def test_the_standard_library_reads_every_header(member: Member) -> None:
    blocks = encode_member(member)
    assert len(blocks) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(blocks + END_OF_ARCHIVE), mode="r:") as tar:
        found = tar.next()
    assert found is not None
    assert found.name == member.name.decode()
    assert (found.mode, found.uid, found.gid, found.size) == (member.mode, member.uid, member.gid, member.size_bytes)
    assert int(found.mtime) == member.mtime_ns // 10**9
    assert found.linkname == member.link.decode()
    assert (found.uname, found.gname) == ("", "")
    assert (found.devmajor, found.devminor) == member.device
    for key, value in member.xattrs:
        assert found.pax_headers["SCHILY.xattr." + key.decode()] == value.decode()


@pytest.mark.parametrize("delta", [-1, 1])
def test_a_file_that_changes_its_size_while_it_is_read_stops_the_pack(delta: int) -> None:
    content = io.BytesIO(bytes(2_000_000 + delta))
    member = Member(b"log", FILE, 0o644, 0, 0, 0, 2_000_000)
    with pytest.raises(StoreError, match="log changed while it was read: expected 2000000 bytes, found"):
        TarStream(len).add_file(member, content.read)


def test_a_name_that_would_mean_a_deletion_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / ".wh.passwd").touch()
    with pytest.raises(StoreError, match=r"etc/\.wh\.passwd cannot be part of an image layer"):
        pack(tmp_path)


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read .*/none.*No such file"):
        pack(tmp_path / "none")


def test_a_sink_that_fails_stops_the_pack_with_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(12 << 20))

    def full(_: bytes | memoryview) -> None:
        raise OSError(28, "No space left on device")

    for compression in Compression:
        with pytest.raises(OSError, match="No space left"):
            pack_layer(str(tmp_path), full, compression)
