"""mkdir, mkfile, symlink and rm."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import LlbuildError
from llbuild.llb import ChownOptions, FileAction, FileMkdir, FileMkfile, FileRm, FileSymlink
from llbuild.tests.worker.snapshot.trees import IS_ROOT, Bench, changes
from llbuild.worker.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

BASE = {"d/": "711", "d/f": "x", "d/s/g": "y", "l": "-> d", "fl": "-> d/f", "gone": "-> nowhere/at/all"}

EDITS: list[tuple[FileAction, dict[str, str | None]]] = [
    (FileMkdir(path="/new", mode=0o750), {"new/": "750"}),
    (FileMkdir(path="/d", mode=0o700), {}),
    (FileMkdir(path="/d", mode=0o700, make_parents=True), {}),
    (FileMkdir(path="/p/q", mode=0o700, make_parents=True), {"p/": "700", "p/q/": "700"}),
    (FileMkdir(path="/l/n", mode=0o755), {"d/n/": "755"}),
    (FileMkdir(path="/d/../../x", mode=0o1777), {"x/": "777"}),
    (FileMkfile(path="/new", mode=0o600, data=b"hi"), {"new": "600 hi"}),
    (FileMkfile(path="/d/f", mode=0o600, data=b"hi"), {"d/f": "644 hi"}),
    (FileMkfile(path="/fl", mode=0o600, data=b"hi"), {"d/f": "644 hi"}),
    (FileMkfile(path="/l/n", mode=0o4755, data=b""), {"d/n": "755 "}),
    (FileSymlink(old_path="anything at all", new_path="/n"), {"n": "-> anything at all"}),
    (FileSymlink(old_path="/x", new_path="/l/n"), {"d/n": "-> /x"}),
    (FileRm(path="/d/f"), {"d/f": None}),
    (FileRm(path="/d"), {"d/": None, "d/f": None, "d/s/": None, "d/s/g": None}),
    (FileRm(path="/l"), {"l": None}),
    (FileRm(path="/l/f"), {"d/f": None}),
    (FileRm(path="/d/*", allow_wildcard=True), {"d/f": None, "d/s/": None, "d/s/g": None}),
    (FileRm(path="/no*", allow_wildcard=True), {}),
    (FileRm(path="/none", allow_not_found=True), {}),
    (FileRm(path="/none/*", allow_wildcard=True, allow_not_found=True), {}),
    (FileRm(path="/../d/f"), {"d/f": None}),
]

REFUSED: list[tuple[FileAction, str]] = [
    (FileMkdir(path="/p/q", mode=0o700), "/p does not exist"),
    (FileMkdir(path="/d/f", mode=0o700), "/d/f is not a folder"),
    (FileMkdir(path="/d/f/x", mode=0o700, make_parents=True), "/d/f is not a folder"),
    (FileMkfile(path="/p/q", mode=0o600, data=b""), "/p does not exist"),
    (FileMkfile(path="/d", mode=0o600, data=b""), "/d"),
    (FileMkfile(path="/d/f/x", mode=0o600, data=b""), "/d/f is not a folder"),
    (FileSymlink(old_path="x", new_path="/d/f"), "/d/f: it exists"),
    (FileSymlink(old_path="x", new_path="/p/q"), "/p does not exist"),
    (FileRm(path="/none"), "'none' not found"),
    (FileRm(path="/"), "root"),
    (FileRm(path="/d/..", allow_not_found=True), "root"),
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(("action", "want"), EDITS)
def test_an_action_changes_what_it_says(bench: Bench, action: FileAction, want: dict[str, str | None]) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(base, action)
    assert result.layers[:-1] == base.layers
    assert changes(bench.show(base), bench.show(result)) == want


@pytest.mark.parametrize(("action", "message"), REFUSED)
def test_an_action_that_cannot_be_is_refused(bench: Bench, action: FileAction, message: str) -> None:
    base = Snapshot((bench.layer(BASE),))
    before = bench.names()
    with pytest.raises(LlbuildError) as caught:
        bench.run(base, action)
    assert message in str(caught.value)
    assert str(bench.folder) not in str(caught.value)
    assert bench.names() == before


def test_what_exists_already_leaves_an_empty_layer(bench: Bench) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(base, FileMkdir(path="/d/s", mode=0o755, make_parents=True))
    assert os.listdir(bench.store.folder(result.layers[-1])) == []


@pytest.mark.needs_root
def test_an_owner_is_given_to_what_is_made(bench: Bench) -> None:
    owner = ChownOptions(user=5, group=6)
    result = bench.run(
        Snapshot(),
        FileMkdir(path="/p/q", mode=0o755, make_parents=True, owner=owner),
        FileMkfile(path="/f", mode=0o644, data=b"x", owner=owner),
        FileSymlink(old_path="f", new_path="/l", owner=owner),
    )
    assert bench.show(result) == {
        "f": "644 x of 5:6",
        "l": "-> f of 5:6",
        "p/": "755 of 5:6",
        "p/q/": "755 of 5:6",
    }


def test_times_are_set_where_they_are_given(bench: Bench) -> None:
    stamp = 7 * 10**9 + 3
    result = bench.run(
        Snapshot(),
        FileMkdir(path="/p/q", mode=0o755, make_parents=True, timestamp=stamp),
        FileMkfile(path="/p/q/f", mode=0o644, timestamp=stamp),
        FileSymlink(old_path="f", new_path="/p/l", timestamp=stamp),
    )
    tree = bench.tree(result)
    for path in ("p", "p/q", "p/q/f", "p/l"):
        found = tree.stat(path)
        assert found is not None
        assert found.st_mtime_ns == stamp


def test_a_folder_removed_and_made_again_hides_what_was_in_it(bench: Bench) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(base, FileRm(path="/d"), FileMkdir(path="/d", mode=0o755))
    assert changes(bench.show(base), bench.show(result)) == {
        "d/": "755",
        "d/f": None,
        "d/s/": None,
        "d/s/g": None,
    }
    upper = bench.store.folder(result.layers[-1])
    assert os.getxattr(f"{upper}/d", f"{'trusted' if IS_ROOT else 'user'}.overlay.opaque") == b"y"


def test_a_whiteout_is_left_only_where_there_is_something_to_hide(bench: Bench) -> None:
    base = Snapshot((bench.layer(BASE),))
    made = FileMkfile(path="/d/new", mode=0o644)
    result = bench.run(base, made, FileRm(path="/d/new"), FileRm(path="/d/f"), FileRm(path="/d/s"))
    assert sorted(os.listdir(f"{bench.store.folder(result.layers[-1])}/d")) == ["f", "s"]
    again = bench.run(result, FileMkdir(path="/d/s", mode=0o755))
    upper = f"{bench.store.folder(again.layers[-1])}/d/s"
    assert not [name for name in os.listxattr(upper) if "overlay" in name]  # the layer below hides it already


def test_one_file_in_place_of_a_folder_and_back(bench: Bench) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(
        base,
        FileRm(path="/d"),
        FileMkfile(path="/d", mode=0o644, data=b"file"),
        FileRm(path="/d/f", allow_not_found=True),
        FileRm(path="/d"),
        FileMkdir(path="/d", mode=0o700),
        FileMkfile(path="/d/only", mode=0o644, data=b"o"),
    )
    assert {path: text for path, text in bench.show(result).items() if path.startswith("d")} == {
        "d/": "700",
        "d/only": "644 o",
    }
