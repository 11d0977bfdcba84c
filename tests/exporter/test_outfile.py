from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from llbuild.errors import ExportError
from llbuild.exporter.outfile import refusals, replacing


def test_a_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with replacing(str(path)) as descriptor:
        os.write(descriptor, b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_an_error_keeps_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(str(path)) as descriptor:
        os.write(descriptor, b"new")
        raise KeyError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        pytest.skip("needs a file system with nameless files (O_TMPFILE)")
    program = (
        "import os, sys; from llbuild.exporter.outfile import replacing\n"
        "with replacing(sys.argv[1]) as file: os.write(file, b'half'); os.kill(os.getpid(), 9)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "out")], env=environ, check=False)
    assert done.returncode == -9
    assert os.listdir(tmp_path) == []


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with replacing(str(tmp_path / "link")) as descriptor:
        os.write(descriptor, b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with replacing(str(tmp_path / "pipe")) as descriptor:
        os.write(descriptor, b"new")
    reader.join()
    assert got == [b"new"]


def test_the_mode_is_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(str(tmp_path / "out")):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o640


def test_a_full_disk_says_so() -> None:
    with pytest.raises(ExportError) as caught, refusals("x"), Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    assert (caught.value.message, caught.value.hint) == (
        "cannot write x: No space left on device",
        "free some space on that disk",
    )


def test_a_reader_who_has_seen_enough_is_no_error_of_the_export() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError), refusals("x"):
        os.write(writing, b"x")
    os.close(writing)
