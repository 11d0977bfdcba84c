"""Locks on bytes: between open files, and between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from llbuild.bytelocks import READ, UNLOCK, WRITE, lock_byte, one_locked, open_lock_file, place_of
from llbuild.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = """
import sys
from llbuild.bytelocks import lock_byte, open_lock_file
assert lock_byte(open_lock_file(sys.argv[1]), 7)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The same file, opened twice."""
    opened = open_lock_file(tmp_path / "deep" / "locks"), open_lock_file(tmp_path / "deep" / "locks")
    yield opened
    for file in opened:
        os.close(file)


def test_a_byte_has_one_writer_or_many_readers(files: tuple[int, int]) -> None:
    one, two = files
    assert lock_byte(one, 5, WRITE)
    assert not lock_byte(two, 5, WRITE)
    assert not lock_byte(two, 5, READ)
    assert lock_byte(two, 6, WRITE)
    assert lock_byte(one, 5, UNLOCK)
    assert lock_byte(two, 5, READ)
    assert lock_byte(one, 5, READ)
    assert not lock_byte(one, 5, WRITE)


def test_what_somebody_else_has_is_told_and_what_is_one_s_own_is_not(files: tuple[int, int]) -> None:
    one, two = files
    lock_byte(one, 5, READ)
    assert one_locked(one, 0, 0) is None
    assert one_locked(two, 0, 0) == 5
    assert one_locked(two, 0, 5) is None


def test_a_process_that_is_killed_has_nothing_any_more(tmp_path: Path) -> None:
    path = tmp_path / "locks"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    file = open_lock_file(path)
    assert not lock_byte(file, 7)
    holder.kill()
    holder.communicate()
    assert lock_byte(file, 7)
    os.close(file)


def test_keys_have_places_that_the_kernel_takes() -> None:
    assert place_of(b"\xff" * 32) == (1 << 62) - 1
    assert place_of(b"\0" * 32) == 0


def test_a_folder_that_refuses_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot lock"):
        open_lock_file(tmp_path / "file" / "locks")
