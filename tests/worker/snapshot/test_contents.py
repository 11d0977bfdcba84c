"""Content digests: what moves them and what does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SourceError
from llbuild.tests.worker.snapshot.trees import Bench, copying, grow, refifo, relink
from llbuild.worker.snapshot import FolderTree, Snapshot, read_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.llb import FileCopy

SPEC = {"d/f": "one", "d/g": "two", "d/sub/h": "three", "d/l": "-> f", "e/": "", "z": "last"}
ALL = (copying("/", "/"),)


def _digest(folder: Path, *copies: FileCopy, excludes: tuple[str, ...] = ()) -> str:
    return read_contents(FolderTree(str(folder), excludes=excludes), copies or ALL).digest


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("content", lambda top: (top / "d/f").write_text("ONE")),
    (
        "content of the same length moved",
        lambda top: [(top / "d/f").write_text("two"), (top / "d/g").write_text("one")],
    ),
    ("name", lambda top: (top / "d/f").rename(top / "d/ff")),
    ("place", lambda top: (top / "d/f").rename(top / "e/f")),
    ("mode", lambda top: (top / "d/f").chmod(0o755)),
    ("setuid", lambda top: (top / "d/f").chmod(0o4644)),
    ("mode of a folder", lambda top: (top / "e").chmod(0o700)),
    ("a file more", lambda top: (top / "e/new").touch()),
    ("a folder more", lambda top: (top / "e/new").mkdir()),
    ("a file less", lambda top: (top / "z").unlink()),
    ("link target", lambda top: relink(top / "d/l", "g")),
    ("link for a file", lambda top: relink(top / "z", "last")),
    ("fifo for a file", lambda top: refifo(top / "z")),
    ("xattr", lambda top: os.setxattr(top / "d/f", "user.note", b"hi")),
    ("xattr of a folder", lambda top: os.setxattr(top / "e", "user.note", b"hi")),
    ("a hole for nothing", lambda top: os.truncate(top / "z", 5)),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_what_a_copy_would_see_moves_the_digest(tmp_path: Path, change: Callable[[Path], object]) -> None:
    grow(tmp_path, SPEC)
    before = _digest(tmp_path)
    change(tmp_path)
    assert _digest(tmp_path) != before


def test_times_and_owners_of_a_context_do_not_move_the_digest(tmp_path: Path) -> None:
    one, other = grow(tmp_path / "one", SPEC), grow(tmp_path / "other", SPEC)
    for top, folders, files in os.walk(other):
        for name in [*folders, *files]:
            os.utime(f"{top}/{name}", (1, 1), follow_symlinks=False)
            if os.geteuid() == 0:
                os.chown(f"{top}/{name}", 1000, 1000, follow_symlinks=False)
    assert _digest(one) == _digest(other)


@pytest.mark.needs_root
def test_owners_in_a_stage_move_the_digest(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    trees = [bench.tree(Snapshot((bench.layer(SPEC, owners={"z": owner}),))) for owner in ((0, 0), (0, 7))]
    assert read_contents(trees[0], ALL) != read_contents(trees[1], ALL)
    assert read_contents(trees[0], [copying("/d", "/")]) == read_contents(trees[1], [copying("/d", "/")])


def test_only_what_is_selected_counts(tmp_path: Path) -> None:
    grow(tmp_path, SPEC)
    before = _digest(tmp_path, copying("/d", "/"))
    (tmp_path / "z").write_text("changed")
    (tmp_path / "d").chmod(0o700)  # its contents are copied, not itself
    assert _digest(tmp_path, copying("/d", "/")) == before
    assert _digest(tmp_path, copying("/d", "/", exclude_patterns=("g",))) != before


def test_what_is_ignored_does_not_count(tmp_path: Path) -> None:
    grow(tmp_path, SPEC)
    before = _digest(tmp_path, excludes=("*", "!d/sub"))
    (tmp_path / "z").write_text("changed")
    (tmp_path / "e/new").touch()
    (tmp_path / "new").mkdir()
    assert _digest(tmp_path, excludes=("*", "!d/sub")) == before
    (tmp_path / "d/sub/h").write_text("changed")
    assert _digest(tmp_path, excludes=("*", "!d/sub")) != before


def test_a_renamed_folder_has_the_same_contents(tmp_path: Path) -> None:
    grow(tmp_path, {"one/f": "x", "two/f": "x"})
    assert _digest(tmp_path, copying("/one", "/")) == _digest(tmp_path, copying("/two", "/"))
    whole = {"dir_copy_contents": False}
    assert _digest(tmp_path, copying("/one", "/", **whole)) != _digest(tmp_path, copying("/two", "/", **whole))


def test_no_two_ways_to_cut_a_selection_are_the_same(tmp_path: Path) -> None:
    grow(tmp_path, {"a": "1", "b": "2", "ab": "12", "d/a": "1", "d/b": "2", "w/a": "1", "w/b": "2"})
    cuts = [
        (copying("/a", "/"),),
        (copying("/a", "/"), copying("/b", "/")),
        (copying("/b", "/"), copying("/a", "/")),
        (copying("/[ab]", "/"),),
        (copying("/ab", "/"),),
        (copying("/d", "/"),),
        (copying("/d/a", "/"), copying("/d", "/")),
        (copying("/d", "/"), copying("/d/a", "/")),
        (copying("/[dw]", "/"),),
        (copying("/d", "/"), copying("/w", "/")),
        (copying("/d", "/", dir_copy_contents=False),),
        (),
    ]
    digests = [read_contents(FolderTree(str(tmp_path)), cut) for cut in cuts]
    assert len(set(digests)) == len(cuts)


def test_a_content_that_looks_like_another_s_hash_is_not_that_other(tmp_path: Path) -> None:
    from blake3 import blake3

    large = b"x" * (1 << 16)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one/f").write_bytes(large)
    (tmp_path / "two/f").write_bytes(blake3(large).digest())
    assert _digest(tmp_path / "one") != _digest(tmp_path / "two")


@pytest.mark.parametrize("size", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 20) + 1, 3 << 20])
def test_files_of_every_size_are_read_to_their_end(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(b"x" * size)
    before = _digest(tmp_path)
    with (tmp_path / "f").open("r+b") as file:
        file.seek(max(size - 1, 0))
        file.write(b"y")
    assert _digest(tmp_path) != before


def test_the_digest_of_a_stage_reads_through_its_layers(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    flat = Snapshot((bench.layer({"d/f": "new", "d/g": "two"}),))
    stacked = Snapshot(
        (bench.layer({"d/f": "old", "d/g": "two", "d/h": "x"}), bench.layer({"d/f": "new", "d/h": "whiteout"}))
    )
    assert read_contents(bench.tree(flat), ALL) == read_contents(bench.tree(stacked), ALL)


def test_the_digests_are_these(tmp_path: Path) -> None:
    """Golden: a change of the format is a new cache for everybody, so let it be meant."""
    grow(tmp_path, {"d/f": "one", "d/l": "-> f", "z": "x" * (1 << 16)})
    assert _digest(tmp_path) == "blake3:1d00d081797871db8aaf4a6642f266c25e4c6b0e65261cb49002620877cc9c33"


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    grow(tmp_path, {"readme.md": "x"})
    with pytest.raises(SourceError, match=r"'readme.mb' not found; did you mean 'readme.md'\?"):
        _digest(tmp_path, copying("/readme.mb", "/"))
    with pytest.raises(SourceError, match=r"'readme.md' not found \(excluded by .dockerignore\)"):
        _digest(tmp_path, copying("/readme.md", "/"), excludes=("*.md",))
