"""Folder to layer to folder: nothing is lost on the way, and nothing depends on chance."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from llbuild.tests.worker.layer.trees import CHILDREN, Ideas, extract, grow, look, pack
from llbuild.worker.layer import Compression

pytestmark = pytest.mark.needs_root  # owners, devices and trusted.* attributes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(children=CHILDREN)
def test_any_tree_survives_packing_and_extracting(children: Ideas) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before"), Path(folder, "after")
        before.mkdir()
        grow(os.fspath(before), children)
        blob, packed = pack(before)
        extracted = extract(blob, after)
        assert look(after) == look(before)
        assert extracted.diff_id == packed.diff_id
        assert extracted.size_bytes == packed.unpacked_bytes


@pytest.mark.parametrize("compression", list(Compression))
def test_two_packs_of_one_folder_are_equal_bytes_in_every_compression(tmp_path: Path, compression: Compression) -> None:
    (tmp_path / "big").write_bytes(os.urandom(6 << 20))  # enough for the threads
    (tmp_path / "small").write_text("hello")
    assert pack(tmp_path, compression) == pack(tmp_path, compression)


def test_a_copy_made_in_another_order_packs_to_the_same_bytes(tmp_path: Path) -> None:
    names = [f"file{number}" for number in range(50)]
    for folder, order in (("one", names), ("two", names[::-1])):
        (tmp_path / folder).mkdir()
        for name in order:
            (tmp_path / folder / name).write_text(name)
            os.utime(tmp_path / folder / name, (5, 5))
    assert pack(tmp_path / "one") == pack(tmp_path / "two")


def test_sparse_files_come_back_sparse_and_equal(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with (before / "disk").open("wb") as file:
        file.write(b"start")
        file.seek(40 << 20)
        file.write(b"middle")
        file.truncate(60 << 20)
    blob, _ = pack(before)
    extract(blob, after)
    assert look(after) == look(before)
    assert os.stat(after / "disk").st_blocks * 512 < 8 << 20
    assert len(blob) < 4 << 20


def test_paths_longer_than_the_kernel_takes_in_one_go_survive(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    at = os.open(before, os.O_RDONLY)
    for _ in range(20):  # 20 * 201 bytes: below 4096 in the layer, above with the folder it lies in
        os.mkdir("d" * 200, dir_fd=at)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    blob, packed = pack(before)
    extract(blob, after)
    assert pack(after)[1].diff_id == packed.diff_id


def test_a_folder_deeper_than_what_is_kept_open_survives(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    deep = before.joinpath(*(["d"] * 150))
    deep.mkdir(parents=True)
    for number, folder in enumerate([deep, *deep.parents][:151]):
        (folder / "z").write_text("z")  # sorts behind "d": written on the way up
        os.utime(folder, (number, number))
    blob, _ = pack(before)
    extract(blob, after)
    assert look(after) == look(before)


def test_a_file_capability_survives(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    ping = tmp_path / "before" / "ping"
    ping.write_text("")
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    os.chown(ping, 5, 5)
    os.setxattr(ping, "security.capability", capability)
    blob, _ = pack(tmp_path / "before")
    extract(blob, tmp_path / "after")
    assert os.getxattr(tmp_path / "after" / "ping", "security.capability") == capability


def test_setuid_survives_a_change_of_owner(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    su = tmp_path / "before" / "su"
    su.write_text("")
    os.chown(su, 7, 8)
    os.chmod(su, 0o6711)
    blob, _ = pack(tmp_path / "before")
    extract(blob, tmp_path / "after")
    assert stat.S_IMODE(os.stat(tmp_path / "after" / "su").st_mode) == 0o6711
