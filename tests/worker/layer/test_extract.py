"""Blobs from elsewhere, made by the standard library: what they become, and what they cannot do."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import CorruptError, LlbuildError, StoreError
from llbuild.tests.worker.layer.tars import entry, folder, hard_link, symlink, tar
from llbuild.tests.worker.layer.trees import extract, look
from llbuild.worker.layer import TarLimits, extract_layer
from llbuild.worker.layer.tarreader import TarReader
from llbuild.worker.layer.tarsource import TarSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder to unpack into, beside something that must not change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("untouched")
    return tmp_path / "root"


# --- what blobs become ---------------------------------------------------------------------------------------------


@pytest.mark.needs_root
def test_whiteouts_become_devices_and_opaque_marks_attributes(root: Path) -> None:
    extract(tar(folder("etc"), entry("etc/.wh.passwd"), entry("etc/.wh..wh..opq")), root)
    info = os.lstat(root / "etc" / "passwd")
    assert stat.S_ISCHR(info.st_mode)
    assert info.st_rdev == 0
    assert os.getxattr(root / "etc", "trusted.overlay.opaque") == b"y"
    assert os.listdir(root / "etc") == ["passwd"]


def test_an_unprivileged_overlay_gets_its_own_opaque_attribute(tmp_path: Path) -> None:
    extract_layer(io.BytesIO(tar(entry("d/.wh..wh..opq"))), str(tmp_path), userxattr=True)
    assert os.getxattr(tmp_path / "d", "user.overlay.opaque") == b"y"


@pytest.mark.needs_root
@pytest.mark.parametrize("names", [["d/.wh..wh..opq", "d/new"], ["d/new", "d/.wh..wh..opq"]])
def test_an_opaque_mark_means_the_layers_below_wherever_it_stands(root: Path, names: list[str]) -> None:
    extract(tar(*(entry(name) for name in names)), root)
    assert os.listdir(root / "d") == ["new"]
    assert os.getxattr(root / "d", "trusted.overlay.opaque") == b"y"


@pytest.mark.needs_root
@pytest.mark.parametrize("first", ["whiteout", "folder"])
def test_a_whiteout_and_a_folder_of_one_name_are_a_new_folder(root: Path, first: str) -> None:
    entries = [entry(".wh.d"), folder("d"), entry("d/new")]
    extract(tar(*(entries if first == "whiteout" else [*entries[1:], entries[0]])), root)
    assert os.listdir(root / "d") == ["new"]
    assert os.getxattr(root / "d", "trusted.overlay.opaque") == b"y"


def test_a_whiteout_of_a_file_the_layer_itself_has_changes_nothing(root: Path) -> None:
    extract(tar(entry("f", content=b"new"), entry(".wh.f")), root)
    assert (root / "f").read_bytes() == b"new"


def test_a_file_after_its_own_whiteout_replaces_it(root: Path) -> None:
    extract(tar(entry(".wh.f"), entry("f", content=b"new")), root)
    assert (root / "f").read_bytes() == b"new"


def test_what_aufs_left_behind_is_ignored(root: Path) -> None:
    extract(tar(folder(".wh..wh.plnk"), entry(".wh..wh.plnk/1.2"), entry(".wh..wh.aufs"), entry("f")), root)
    assert os.listdir(root) == ["f"]


@pytest.mark.needs_root
def test_folders_keep_the_time_and_mode_they_were_given_first_or_last(root: Path) -> None:
    extract(tar(folder("a", mtime=11, mode=0o500), entry("a/f", mtime=12), entry("b/f"), folder("b", mtime=13)), root)
    assert os.stat(root / "a").st_mtime == 11
    assert stat.S_IMODE(os.stat(root / "a").st_mode) == 0o500
    assert os.stat(root / "a" / "f").st_mtime == 12
    assert os.stat(root / "b").st_mtime == 13


def test_times_stay_right_when_more_folders_are_touched_than_stay_open(root: Path) -> None:
    folders = [folder(f"d{number}", mtime=number) for number in range(200)]
    files = [entry(f"d{number}/f", mtime=5) for number in range(200)]
    extract(tar(*folders, *files), root)
    assert [os.stat(root / f"d{number}").st_mtime for number in range(200)] == list(range(200))


def test_missing_parents_are_made_with_the_usual_mode(root: Path) -> None:
    old = os.umask(0o077)
    try:
        extract(tar(entry("a/b/f")), root)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(root / "a" / "b").st_mode) == 0o755


def test_a_later_member_replaces_an_earlier_one_of_its_name(root: Path) -> None:
    blob = tar(
        entry("file", content=b"1"),
        entry("file", content=b"2"),
        symlink("link", "/etc"),
        entry("link", content=b"3"),
        folder("folder"),
        entry("folder/deep/inside"),
        entry("folder", content=b"4"),
        entry("became", content=b"5"),
        folder("became"),
    )
    extract(blob, root)
    assert [(root / name).read_bytes() for name in ("file", "link", "folder")] == [b"2", b"3", b"4"]
    assert (root / "became").is_dir()


def test_replacing_a_file_leaves_its_other_names_alone(root: Path) -> None:
    extract(tar(entry("a", content=b"1"), hard_link("b", "a"), entry("a", content=b"2")), root)
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"2", b"1")


def test_a_link_to_itself_is_no_loss(root: Path) -> None:
    extract(tar(entry("a", content=b"1"), hard_link("a", "a"), hard_link("b", "./a"), hard_link("b", "/a")), root)
    assert (root / "b").read_bytes() == b"1"
    assert os.stat(root / "a").st_nlink == 2


def test_a_hard_link_between_two_deep_folders_finds_both(root: Path) -> None:
    one, two = "/".join(["a"] * 100), "/".join(["b"] * 100)
    extract(tar(entry(f"{one}/f", content=b"x"), entry(f"{two}/g"), hard_link(f"{two}/l", f"{one}/f")), root)
    extract(tar(entry(f"{one}/f"), entry(f"{two}/l"), hard_link(f"{two}/l", f"{one}/f")), root.parent / "again")
    for place in (root, root.parent / "again"):
        assert os.path.samefile(place / one / "f", place / two / "l")


def test_a_hard_link_to_a_symbolic_link_is_a_second_name_of_the_link(root: Path) -> None:
    extract(tar(symlink("s", "/etc/passwd"), hard_link("t", "s")), root)
    assert os.readlink(root / "t") == "/etc/passwd"


def test_the_root_itself_is_left_as_it_is(root: Path) -> None:
    root.mkdir(mode=0o755)
    extract(tar(folder("./", mode=0o700), folder(".", mode=0o700), entry("./f")), root)
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o755


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_tar_is_read(root: Path, form: int) -> None:
    name = "d" * 60 + "/" + "f" * 90
    long = () if form == tarfile.USTAR_FORMAT else (entry("n" * 255), symlink("s", "t" * 300), entry("日本/ü"))
    numbers = () if form == tarfile.USTAR_FORMAT else (entry("old", mtime=-77),)
    extract(tar(entry(name, content=b"x" * 1000), *long, *numbers, form=form), root)
    assert (root / name).read_bytes() == b"x" * 1000
    if long:
        assert (root / "日本" / "ü").exists()
        assert (root / ("n" * 255)).exists()
        assert os.readlink(root / "s") == "t" * 300
        assert os.stat(root / "old").st_mtime == -77


@pytest.mark.needs_root
def test_large_owner_numbers_are_read_in_base_256_and_in_pax(root: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        name = str(form)
        extract(tar(entry(name, uid=3_000_000_000, gid=2_097_152), form=form), root)
        info = os.stat(root / name)
        assert (info.st_uid, info.st_gid) == (3_000_000_000, 2_097_152)


def test_pax_times_are_kept_to_the_nanosecond(root: Path) -> None:
    extract(tar(entry("f", pax_headers={"mtime": "1234567890.123456789"})), root)
    assert os.stat(root / "f").st_mtime_ns == 1234567890_123456789


def test_global_pax_records_apply_to_what_follows_them(root: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"mtime": "42"}) as archive:
        archive.addfile(tarfile.TarInfo("f"))
    extract(out.getvalue(), root)
    assert os.stat(root / "f").st_mtime == 42


def test_a_name_that_is_not_utf8_survives(root: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        extract(tar(entry(name), form=form), root / str(form))
        assert os.listdir(os.fsencode(root / str(form))) == [b"caf\xe9"]


@pytest.mark.needs_root
def test_an_old_archive_without_magic_is_read(root: Path) -> None:
    blob = bytearray(tar(entry("d/"), entry("d/f", content=b"x"), form=tarfile.USTAR_FORMAT))
    for start in (0, 512):
        blob[start + 257 : start + 265] = bytes(8)
        blob[start + 156] = 0
        blob[start + 148 : start + 156] = b" " * 8
        blob[start + 148 : start + 156] = b"%06o\0 " % sum(blob[start : start + 512])
    extract(bytes(blob), root)
    assert (root / "d" / "f").read_bytes() == b"x"


def test_the_end_mark_may_be_missing(root: Path) -> None:
    assert extract(tar(entry("f"))[:512], root).entries == 1


def test_what_follows_the_end_mark_is_hashed_and_nothing_else(root: Path) -> None:
    blob = tar(entry("f")) + tar(entry("g"))
    extracted = extract(blob, root)
    assert os.listdir(root) == ["f"]
    assert extracted.size_bytes == len(blob)


@pytest.mark.needs_root
def test_attributes_are_set_but_none_that_steers_overlayfs(root: Path) -> None:
    names = ("user.ok", "trusted.overlay.redirect", "user.overlay.opaque", "security.selinux")
    headers = {f"SCHILY.xattr.{name}": "v" for name in names}
    extract(tar(entry("f", pax_headers=headers)), root)
    assert os.listxattr(root / "f") == ["user.ok"]


# --- what hostile blobs cannot do -----------------------------------------------------------------------------------

REFUSED = {
    "dotdot": ([entry("../outside/secret")], "leads out of it: ../outside/secret"),
    "dotdot in the middle": ([entry("a/../../outside/secret")], "leads out of it"),
    "dotdot of a folder": ([folder("..")], "leads out of it"),
    "whiteout of dotdot": ([entry("d/.wh...")], "deletes something without a name: d/.wh..."),
    "whiteout of dot": ([entry("d/.wh..")], "deletes something without a name"),
    "whiteout of nothing": ([entry(".wh.")], "deletes something without a name"),
    "whiteout outside": ([entry("../outside/.wh.secret")], "leads out of it"),
    "opaque outside": ([entry("../outside/.wh..wh..opq")], "leads out of it"),
    "hard link outside": ([hard_link("l", "../outside/secret")], "leads out of it"),
    "hard link to an absolute name": ([hard_link("l", "/etc/passwd")], "hard link to /etc/passwd, which is not in"),
    "hard link to a folder": ([folder("d"), hard_link("l", "d")], "which is a folder"),
    "hard link to the root": ([hard_link("l", "/")], "which is a folder"),
    "hard link to itself": ([hard_link("l", "l")], "which is not in the archive before it"),
    "file below a file": ([entry("f"), entry("f/g")], "cannot unpack f: it is no folder"),
    "circle of links": ([symlink("a", "b"), symlink("b", "a"), entry("a/f")], "too many symbolic links"),
    "long name": ([entry("d/" * 2100)], "a name in the archive is too long"),
    "long link": ([symlink("l", "t" * 5000)], "a name in the archive is too long"),
    "a sparse file of an unknown kind": (
        [entry("f", pax_headers={"GNU.sparse.size": "9", "GNU.sparse.numblocks": "1"})],
        "a malformed sparse file: a map of version",
    ),
    "a sparse file that says nothing of its size": (
        [entry("f", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "x"})],
        "a malformed sparse file: the number",
    ),
    "a volume of many": ([entry("f", b"M")], "a part of a file from another volume, which is not supported"),
    "unknown type": ([entry("f", b"!")], "type b'!', which is not supported: f"),
    "pax size that is none": ([entry("f", pax_headers={"size": "-1"})], "malformed pax header: size=b'-1'"),
    "pax time that is none": ([entry("f", pax_headers={"mtime": "now"})], "malformed pax header: mtime"),
    "pax name with NUL": ([entry("f", pax_headers={"path": "a\0b"})], "has a NUL in it"),
    "owner that cannot be": ([entry("f", pax_headers={"uid": str(1 << 33)})], "an owner or size that cannot be"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_blob_is_refused_and_touches_nothing(root: Path, case: str) -> None:
    entries, message = REFUSED[case]
    before = look(root.parent / "outside")
    with pytest.raises(CorruptError) as caught:
        extract(tar(*entries), root)
    assert message in str(caught.value)
    assert look(root.parent / "outside") == before
    assert not {"secret", "passwd"} & set(os.listdir(root))


HARMLESS = {
    "absolute names": ([entry("/etc/f", content=b"x")], "etc/f"),
    "many slashes": ([entry("//a///b", content=b"x")], "a/b"),
    "dots": ([entry("./a/./b/../f", content=b"x")], "a/f"),
    "below a link that goes up": ([symlink("l", "../../outside"), entry("l/secret", content=b"x")], "outside/secret"),
    "below an absolute link": ([symlink("l", "/outside"), entry("l/secret", content=b"x")], "outside/secret"),
    "below a link in a folder": (
        [folder("a"), symlink("a/l", "../b"), entry("a/l/f", content=b"x")],
        "b/f",
    ),
    "below a chain of links": (
        [symlink("a", "/b/c"), symlink("b", "d"), entry("a/../f", content=b"y"), entry("a/f", content=b"x")],
        "d/c/f",
    ),
    "over a link": ([symlink("f", "../outside/secret"), entry("f", content=b"x")], "f"),
    "below a link whose folder was open": (
        [entry("a/f"), symlink("a", "../outside"), entry("a/secret", content=b"x")],
        "outside/secret",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HARMLESS)
def test_names_that_look_hostile_land_inside(root: Path, case: str) -> None:
    entries, path = HARMLESS[case]
    before = look(root.parent / "outside")
    extract(tar(*entries), root)
    assert (root / path).read_bytes() == b"x"
    assert look(root.parent / "outside") == before


@pytest.mark.needs_root
def test_whiteouts_and_opaque_marks_below_a_link_stay_inside(root: Path) -> None:
    before = look(root.parent / "outside")
    links = [symlink("l", str(root.parent / "outside")), entry("l/.wh.secret"), entry("l/.wh..wh..opq")]
    extract(tar(*links), root)
    assert look(root.parent / "outside") == before


def test_a_folder_member_replaces_a_link_instead_of_following_it(root: Path) -> None:
    target = root.parent / "outside"
    mode = stat.S_IMODE(os.stat(target).st_mode)
    extract(tar(symlink("l", str(target)), folder("l", mode=0o777), entry("l/f")), root)
    assert stat.S_IMODE(os.stat(target).st_mode) == mode
    assert not (root / "l").is_symlink()


def test_too_many_members_are_refused(root: Path) -> None:
    blob = tar(*(entry(str(number)) for number in range(11)))
    with pytest.raises(CorruptError, match="too many members"):
        extract(blob, root, limits=TarLimits(members=10))


def test_extended_headers_without_end_are_refused_early(root: Path) -> None:
    header, _content = entry("f", b"x", content=b"")
    header.size = 1 << 40
    with pytest.raises(CorruptError, match="extended header that is too long"):
        extract(header.tobuf(tarfile.GNU_FORMAT), root)
    header.size = 0
    many = header.tobuf(tarfile.USTAR_FORMAT) * 20
    with pytest.raises(CorruptError, match="too many members"):
        extract(many, root, limits=TarLimits(members=10))


@pytest.mark.parametrize(
    "records",
    [b"5 a=b\n", b"99 path=x\n", b"x path=y\n", b"0 path=y\n", b"-9 a=bcd\n", b"9 pathxxx\n", b"9 path=yy", b"12"],
)
def test_malformed_pax_records_are_refused(root: Path, records: bytes) -> None:
    with pytest.raises(CorruptError, match="malformed pax header"):
        extract(tar(entry("x", b"x", content=records)), root)


def test_a_header_whose_checksum_is_wrong_is_named_as_damage(root: Path) -> None:
    blob = bytearray(tar(entry("a"), entry("b")))
    blob[512] ^= 1
    with pytest.raises(CorruptError, match="the archive is damaged: a header's checksum does not fit"):
        extract(bytes(blob), root)


def test_something_else_than_a_tar_is_named_as_such(root: Path) -> None:
    with pytest.raises(CorruptError, match="not a tar archive"):
        extract(b"FROM busybox\n" * 100, root)


def test_a_huge_file_that_is_not_there_is_a_truncation(root: Path) -> None:
    header, _ = entry("f")
    header.size = 1 << 45
    with pytest.raises(CorruptError, match="the archive ends within the content of a file"):
        extract(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096), root)


CUT_MEMBERS = [folder("d"), entry("d/f", content=b"x" * 700), entry("n" * 150), symlink("l", "f")]


def test_a_tar_cut_anywhere_is_refused_unless_only_whole_members_are_missing() -> None:
    blob = tar(*CUT_MEMBERS)
    end = len(blob.rstrip(b"\0")) // 512 * 512 + 1024  # the last header, and the first block of the end mark
    for cut in [cut for cut in range(end) if cut % 512]:
        with pytest.raises(CorruptError, match="the archive ends within|not a tar archive"):
            read_members(blob[:cut])
    assert {read_members(blob[:cut]) for cut in (0, 512, 512 * 4, end, end + 1, len(blob))} == {0, 1, 2, 4}


def test_a_compressed_blob_cut_anywhere_is_refused() -> None:
    blob = gzip.compress(tar(*CUT_MEMBERS))
    for cut in range(1, len(blob)):
        with pytest.raises(
            CorruptError, match="the gzip stream is corrupt: it ends|the archive ends|not a tar archive"
        ):
            read_members(blob[:cut])


def test_a_cut_blob_does_not_pass_for_a_layer(root: Path) -> None:
    blob = gzip.compress(tar(*CUT_MEMBERS))
    with pytest.raises(CorruptError, match="the gzip stream is corrupt: it ends in the middle"):
        extract(blob[:-1], root)


def read_members(blob: bytes) -> int:
    """How many members there are, contents read; the whole stream, as extraction does."""
    with TarSource(io.BytesIO(blob)) as source:
        reader = TarReader(source, TarLimits())
        count = 0
        while reader.next() is not None:
            count += 1
            while reader.piece():
                pass
        source.finish()
        return count


@pytest.mark.needs_root
def test_a_full_disk_is_a_store_error_with_the_name(tmp_path: Path) -> None:
    name = "n" * 256  # as good as a full disk: the kernel refuses it
    with pytest.raises(StoreError, match=f"cannot unpack {name}: {os.strerror(errno.ENAMETOOLONG)}"):
        extract(tar(entry(name)), tmp_path / "root")


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for entries, _ in (*REFUSED.values(), *HARMLESS.values()):
        with contextlib.suppress(LlbuildError):
            extract(tar(*entries), root)
    assert len(os.listdir("/proc/self/fd")) == before


# --- as an ordinary user --------------------------------------------------------------------------------------------

_IN_A_USER_NAMESPACE = """
import sys
from llbuild.worker.layer import Compression, extract_layer, pack_layer, pack_squashed
from llbuild.worker.snapshot import MergedTree
blob, folder, packed, squashed = sys.argv[1:]
with open(blob, "rb") as stream:
    print(extract_layer(stream, folder, userxattr=True))
with open(packed, "wb") as out:
    pack_layer(folder, out.write, Compression.NONE)
with open(squashed, "wb") as out:
    pack_squashed([folder], MergedTree([], userxattr=True), out.write, Compression.NONE)
"""


def test_with_a_single_id_owners_and_devices_are_remembered_for_the_layers_that_are_packed(tmp_path: Path) -> None:
    blob = tmp_path / "layer.tar"
    blob.write_bytes(
        tar(
            folder("etc", uid=0, gid=42, mode=0o2750),
            entry("etc/shadow", uid=0, gid=42, mode=0o640, content=b"x"),
            entry("etc/.wh.gone", uid=0, gid=0),
            entry("opaque/.wh..wh..opq", uid=0, gid=0),
            entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3, uid=3, gid=0, mode=0o666),
            entry("fifo", tarfile.FIFOTYPE, uid=0, gid=4_000_000_000),
            entry("link", tarfile.SYMTYPE, linkname="etc", uid=1000, gid=0, mode=0o777),
            entry("root", uid=0, gid=0, pax_headers={"SCHILY.xattr.trusted.x": "1", "SCHILY.xattr.user.x": "1"}),
            entry("fake", uid=7, gid=7, pax_headers={"SCHILY.xattr.user.containers.override_stat": "9:9:755"}),
        )
    )
    out = tmp_path / "layer" / "fs"
    out.mkdir(parents=True)
    packed, squashed = tmp_path / "packed.tar", tmp_path / "squashed.tar"
    command: list[str | Path] = ["unshare", "--user", "--map-root-user", sys.executable, "-c", _IN_A_USER_NAMESPACE]
    command += [blob, out, packed, squashed]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"needs user namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "entries=7, xattrs_ignored=1" in done.stdout
    seen = look(out)
    assert sorted(seen) == ["etc", "etc/gone", "etc/shadow", "fake", "fifo", "link", "null", "opaque", "root"]
    assert seen["etc/gone"].kind == "whiteout"
    assert seen["etc/shadow"].mode == 0o640
    assert dict(seen["etc/shadow"].xattrs) == {"user.containers.override_stat": b"0:42:640"}
    assert dict(seen["opaque"].xattrs) == {"user.overlay.opaque": b"y"}
    assert stat.S_ISREG(os.lstat(out / "null").st_mode)
    for archive in (packed, squashed):
        with tarfile.open(archive) as found:
            members = {member.name: member for member in found if "/.wh." not in member.name}
        owners = {name: (member.uid, member.gid) for name, member in members.items()}
        assert owners == {
            "etc": (0, 42),
            "etc/shadow": (0, 42),
            "fake": (7, 7),
            "fifo": (0, 4_000_000_000),
            "link": (1000, 0),
            "null": (3, 0),
            "opaque": (0, 0),
            "root": (0, 0),
        }
        null = members["null"]
        assert (null.type, null.devmajor, null.devminor, null.mode) == (tarfile.CHRTYPE, 1, 3, 0o666)
        assert not members["fake"].pax_headers.keys() & {"SCHILY.xattr.user.containers.override_stat"}


@given(data=st.data())
def test_damage_never_ends_in_anything_but_our_error(data: st.DataObject) -> None:
    blob = bytearray(tar(folder("d"), entry("d/é", content=b"x" * 600), symlink("s", "t" * 200), hard_link("h", "d/é")))
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, len(blob) // 512)) * 512
    if data.draw(st.booleans()):
        _seal(blob, start)
    with contextlib.suppress(CorruptError):
        read_members(bytes(blob))


def _seal(blob: bytearray, start: int) -> None:
    """Give a damaged header the checksum of what it says now."""
    block = blob[start : start + 512]
    if len(block) == 512:
        block[148:156] = b" " * 8
        blob[start + 148 : start + 156] = b"%06o\0 " % sum(block)
