"""A client's folder: only what lies in it, only what is not ignored, and nothing that changed meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SourceError
from llbuild.tests.worker.snapshot.trees import grow, show
from llbuild.worker.snapshot import FolderTree

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    ".git/config": "c",
    "a.txt": "a",
    "d/x": "1",
    "d/y.txt": "2",
    "d/sub/z.txt": "3",
    "e/d/x": "4",
    "empty/": "",
    "l": "-> d",
}

IGNORED = [  # (lines, what is left); compared with BuildKit
    ([".git"], {"a.txt", "d/", "d/x", "d/y.txt", "d/sub/", "d/sub/z.txt", "e/", "e/d/", "e/d/x", "empty/", "l"}),
    (["*", "!d"], {"d/", "d/x", "d/y.txt", "d/sub/", "d/sub/z.txt"}),
    (["**", "!**/*.txt"], {"a.txt", "d/", "d/y.txt", "d/sub/", "d/sub/z.txt"}),
    (["*", "!d/sub"], {"d/", "d/sub/", "d/sub/z.txt"}),
    (["*", "!e/d", "e/d/x"], {"e/", "e/d/"}),
    (["*", "!empty"], {"empty/"}),
    (["**/d", "!e/d", ".git", "l", "empty"], {"a.txt", "e/", "e/d/", "e/d/x"}),
    (["**"], set()),
    (["*", "!*.md"], set()),
]


@pytest.mark.parametrize(("lines", "left"), IGNORED)
def test_what_is_ignored_is_not_there(tmp_path: Path, lines: list[str], left: set[str]) -> None:
    tree = FolderTree(str(grow(tmp_path, FILES)), excludes=lines)
    assert set(show(tree)) == left
    for path in FILES:
        assert (tree.stat(path.rstrip("/")) is not None) == (path in left)


def test_a_malformed_line_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\.dockerignore.*\["):
        FolderTree(str(tmp_path), excludes=["fine", "a[b"])


def test_what_may_not_be_read_is_no_matter_where_it_is_ignored(tmp_path: Path) -> None:
    folder = grow(tmp_path / "context", {"ok": "1", "closed/": "000"})
    assert set(show(FolderTree(str(folder), excludes=["closed"]))) == {"ok"}
    (folder / "closed").chmod(0o755)


def test_links_are_shown_and_never_walked_through(tmp_path: Path) -> None:
    tree = FolderTree(str(grow(tmp_path, FILES)))
    assert tree.stat("l/x") is None
    with pytest.raises(SourceError):
        tree.directory("l")


def test_a_folder_that_is_a_link_itself_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    grow(tmp_path / "real", {"f": "x"})
    (tmp_path / "link").symlink_to("real")
    assert show(FolderTree(str(tmp_path / "link"))) == {"f": "644 x"}


def test_a_fifo_in_place_of_a_file_hangs_nothing(tmp_path: Path) -> None:
    folder = grow(tmp_path, {"f": "x"})
    tree = FolderTree(str(folder))
    with tree.directory("") as opened:
        os.close(opened.open("f"))
        (folder / "f").unlink()
        os.mkfifo(folder / "f")
        with pytest.raises(SourceError, match="'f'"):
            opened.open("f")


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = grow(tmp_path / "context", {"f": "x"})
    with FolderTree(str(folder)).directory("") as opened:
        (folder / "f").unlink()
        (folder / "f").symlink_to(tmp_path / "secret")
        with pytest.raises(SourceError, match="'f'"):
            opened.open("f")


def test_a_file_that_was_rewritten_is_noticed_even_with_its_old_size_and_time(tmp_path: Path) -> None:
    folder = grow(tmp_path, {"f": "old"})
    tree = FolderTree(str(folder))
    with tree.directory("") as opened:
        os.close(opened.open("f"))
        os.close(opened.open("f"))
        found = os.stat(folder / "f")
        (folder / "f").write_text("new")
        os.utime(folder / "f", ns=(found.st_atime_ns, found.st_mtime_ns))
        with pytest.raises(SourceError, match="changed while the build was reading it"):
            opened.open("f")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing-here"):
        FolderTree(str(tmp_path / "nothing-here")).directory("")
