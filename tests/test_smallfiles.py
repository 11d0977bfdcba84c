"""Small files beside the stores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.smallfiles import boot_id, keep_newest, write_aside

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for text in (b"one", b"two"):
        write_aside(str(tmp_path / "note"), text)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("note", b"two")]


@pytest.mark.parametrize(("count", "left"), [(0, ""), (2, "de"), (5, "abcde"), (9, "abcde")])
def test_the_newest_stay(tmp_path: Path, count: int, left: str) -> None:
    for number, name in enumerate("abcde"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))
    keep_newest(str(tmp_path), count)
    assert sorted(os.listdir(tmp_path)) == list(left)


def test_a_run_of_the_machine_has_a_name_that_stays() -> None:
    assert boot_id() == boot_id() != ""
