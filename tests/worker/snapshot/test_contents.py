"""Content digests: the same for what a copy would take as the same, different for anything else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import SourceError
from llbuild.tests.worker.snapshot.trees import Bench, copying, grow
from llbuild.worker.snapshot import FolderTree, Snapshot, content_digest

if TYPE_CHECKING:
    from pathlib import Path

    from llbuild.digest import Digest

FILES = {"d/": "755", "d/f": "x", "d/s/g": "y", "d/l": "-> f", "other": "z"}


def _digest(folder: Path, src: str = "/d", **more: object) -> Digest:
    return content_digest(FolderTree(str(folder)), [copying(src, "/", **more)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return grow(tmp_path / "context", FILES)


def test_a_digest_is_blake3_and_the_same_twice(folder: Path, tmp_path: Path) -> None:
    digest = _digest(folder)
    assert digest.startswith("blake3:")
    assert _digest(folder) == digest
    assert _digest(grow(tmp_path / "elsewhere", FILES)) == digest


def _write(folder: Path) -> None:
    (folder / "d/f").write_text("X")


def _rename(folder: Path) -> None:
    (folder / "d/f").rename(folder / "d/F")


def _add(folder: Path) -> None:
    (folder / "d/new").write_text("")


def _add_folder(folder: Path) -> None:
    (folder / "d/new").mkdir()


def _chmod(folder: Path) -> None:
    (folder / "d/f").chmod(0o600)


def _chmod_folder(folder: Path) -> None:
    (folder / "d/s").chmod(0o700)


def _point_elsewhere(folder: Path) -> None:
    (folder / "d/l").unlink()
    (folder / "d/l").symlink_to("s")


def _attribute(folder: Path) -> None:
    os.setxattr(folder / "d/f", "user.note", b"hi")


def _swap(folder: Path) -> None:
    (folder / "d/f").write_text("y")
    (folder / "d/s/g").write_text("x")


CHANGES = [_write, _rename, _add, _add_folder, _chmod, _chmod_folder, _point_elsewhere, _attribute, _swap]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_copy_would_show_differently_changes_the_digest(folder: Path, change: object) -> None:
    before = _digest(folder)
    assert callable(change)
    change(folder)
    assert _digest(folder) != before


def test_times_and_what_is_not_copied_change_nothing(folder: Path) -> None:
    before = _digest(folder)
    os.utime(folder / "d/f")
    os.utime(folder / "d")
    (folder / "other").write_text("something else")
    (folder / "new").write_text("")
    assert _digest(folder) == before


@pytest.mark.needs_root
def test_owners_count_in_a_snapshot_and_not_in_a_clients_folder(tmp_path: Path, folder: Path) -> None:
    before = _digest(folder)
    os.chown(folder / "d/f", 5, 6)
    assert _digest(folder) == before
    bench = Bench(tmp_path)
    ours = bench.tree(Snapshot((bench.layer(FILES),)))
    theirs = bench.tree(Snapshot((bench.layer(FILES, owners={"d/f": (5, 6)}),)))
    assert content_digest(ours, [copying("/d", "/")]) == before
    assert content_digest(theirs, [copying("/d", "/")]) != before


def test_how_a_snapshot_is_cut_into_layers_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    one = bench.tree(Snapshot((bench.layer(FILES),)))
    many = bench.tree(
        Snapshot(
            (
                bench.layer({"d/": "755", "d/f": "old", "d/gone": "g"}),
                bench.layer({"d/f": "x", "d/s/g": "y", "d/gone": "whiteout"}),
                bench.layer({"d/l": "-> f"}),
            )
        )
    )
    assert content_digest(one, [copying("/d", "/")]) == content_digest(many, [copying("/d", "/")])


def test_patterns_decide_what_counts(folder: Path) -> None:
    without = _digest(folder, exclude_patterns=("s",))
    (folder / "d/s/g").write_text("changed")
    assert _digest(folder, exclude_patterns=("s",)) == without
    only = _digest(folder, src="/", include_patterns=("d/f",))
    (folder / "other").write_text("changed")
    assert _digest(folder, src="/", include_patterns=("d/f",)) == only
    (folder / "d/f").write_text("changed")
    assert _digest(folder, src="/", include_patterns=("d/f",)) != only
    assert _digest(folder, exclude_patterns=("s",)) != without


def test_wildcards_count_the_names_they_match(folder: Path) -> None:
    before = _digest(folder, src="/o*")
    (folder / "other").rename(folder / "otherwise")
    assert _digest(folder, src="/o*") != before


def test_several_copies_are_one_digest_and_their_order_counts(folder: Path) -> None:
    tree = FolderTree(str(folder))
    first, second = copying("/d/f", "/"), copying("/other", "/")
    assert content_digest(tree, [first, second]) != content_digest(tree, [second, first])
    assert content_digest(tree, [first, second]) != content_digest(tree, [first])


def test_contents_cannot_be_moved_between_neighbours(tmp_path: Path) -> None:
    """No two trees give one digest by running their records together."""
    digests = {
        _digest(grow(tmp_path / str(number), files), src="/")
        for number, files in enumerate(
            [{"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "", "bc": ""}, {"a/": "", "b": "c"}, {"a/b": "c"}]
        )
    }
    assert len(digests) == 6


def test_a_large_file_is_hashed_whole(tmp_path: Path) -> None:
    folder = grow(tmp_path / "context", {"f": "x"})
    (folder / "f").write_bytes(b"x" * (5 << 20) + b"1")
    first = _digest(folder, src="/f")
    (folder / "f").write_bytes(b"x" * (5 << 20) + b"2")
    assert _digest(folder, src="/f") != first


def test_what_is_missing_or_may_not_be_read_is_named(folder: Path) -> None:
    with pytest.raises(SourceError, match="missing"):
        _digest(folder, src="/missing")
    if os.geteuid() != 0:
        (folder / "d/f").chmod(0)
        with pytest.raises(SourceError, match="d/f"):
            _digest(folder)
    with pytest.raises(SourceError, match="no-such-context"):
        _digest(folder.parent / "no-such-context", src="/x/*")
