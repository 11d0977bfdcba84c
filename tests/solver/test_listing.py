"""What happened to files, told from two listings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import DefinitionError
from llbuild.solver.listing import compare_listings, count_files
from llbuild.tests.worker.snapshot.trees import copying, grow, relink
from llbuild.worker.snapshot import FolderTree, read_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = {"a.txt": "one", "b.sh": "two", "d/c": "three", "l": "-> a.txt"}


def listing(top: Path) -> bytes:
    return read_contents(FolderTree(str(top)), (copying("/", "/"),)).listing


def rewrite_privately(top: Path) -> None:
    (top / "a.txt").write_text("ONE")
    (top / "a.txt").chmod(0o600)


CHANGES: list[tuple[Callable[[Path], object], list[str]]] = [
    (lambda top: (top / "a.txt").write_text("ONE"), ["a.txt (content)"]),
    (lambda top: (top / "b.sh").chmod(0o755), ["b.sh (mode 0644→0755)"]),
    (lambda top: (top / "new").touch(), ["new (added)"]),
    (lambda top: (top / "d/c").unlink(), ["d/c (removed)"]),
    (lambda top: relink(top / "l", "b.sh"), ["l (target a.txt→b.sh)"]),
    (lambda top: relink(top / "a.txt", "b.sh"), ["a.txt (file→link)"]),
    (lambda top: os.setxattr(top / "d", "user.note", b"hi"), ["d (extended attributes)"]),
    (lambda top: (top / "a.txt").rename(top / "z"), ["a.txt (removed)", "z (added)"]),
    (
        rewrite_privately,
        ["a.txt (content, mode 0644→0600)"],
    ),
    (lambda top: os.utime(top / "a.txt", (5, 5)), []),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_every_change_is_told_by_its_path_and_kind(
    tmp_path: Path, change: Callable[[Path], object], told: list[str]
) -> None:
    top = grow(tmp_path / "top", SPEC)
    before = listing(top)
    change(top)
    assert [str(one) for one in compare_listings(before, listing(top))] == told


def test_files_links_and_folders_are_counted(tmp_path: Path) -> None:
    assert count_files(listing(grow(tmp_path / "top", SPEC))) == 5


def test_names_that_are_not_utf_8_are_told_too(tmp_path: Path) -> None:
    before = listing(grow(tmp_path / "top", SPEC))
    (tmp_path / "top" / os.fsdecode(b"caf\xe9")).touch()
    assert [one.path for one in compare_listings(before, listing(tmp_path / "top"))] == ["caf\udce9"]


def test_what_is_no_listing_is_one_error() -> None:
    with pytest.raises(DefinitionError, match="not msgpack"):
        compare_listings(b"", b"\xc1")
