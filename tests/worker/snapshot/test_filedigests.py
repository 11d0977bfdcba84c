"""Digests of files remembered between builds: never read again while the same, never wrong."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from llbuild.tests.worker.snapshot.test_contents import CHANGES, SPEC
from llbuild.tests.worker.snapshot.trees import copying, grow
from llbuild.worker.snapshot import FileDigests, FolderTree, read_contents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.worker.snapshot.folder import FolderDirectory

ALL = (copying("/", "/"),)
AT_ONCE = -time.time_ns()
MANY = {f"many/{number}": str(number) for number in range(100)}


class CountingTree(FolderTree):
    """Counts the files that are read."""

    def __init__(self, path: str, *, digests: FileDigests | None) -> None:
        super().__init__(path, digests=digests)
        self.read: list[str] = []

    def directory(self, path: str) -> FolderDirectory:
        folder = super().directory(path)
        plain_open = folder.open

        def counted_open(name: str) -> int:
            self.read.append(name)
            return plain_open(name)

        folder.open = counted_open  # type: ignore[method-assign]  # this one folder
        return folder


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return grow(tmp_path / "top", {**SPEC, **MANY})


def remembered(top: Path, store: Path, *, tick_ns: int = AT_ONCE, coarse_tick_ns: int = AT_ONCE) -> FileDigests:
    """Files made a moment ago count as left alone, unless a test says how long that takes."""
    return FileDigests(store, str(top), tick_ns=tick_ns, coarse_tick_ns=coarse_tick_ns)


def build(top: Path, store: Path, *, tick_ns: int = AT_ONCE) -> tuple[str, list[str]]:
    """One build's look at the folder: its digest, and which files were read for it."""
    digests = remembered(top, store, tick_ns=tick_ns)
    tree = CountingTree(str(top), digests=digests)
    digest = read_contents(tree, ALL).digest
    digests.save()
    return digest, tree.read


def plain(top: Path) -> str:
    return read_contents(FolderTree(str(top)), ALL).digest


def test_what_has_not_changed_is_not_read_again(top: Path, tmp_path: Path) -> None:
    digest, read = build(top, tmp_path / "store")
    assert len(read) == 104
    assert build(top, tmp_path / "store") == (digest, [])
    assert digest == plain(top)


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_every_change_is_seen(top: Path, tmp_path: Path, change: Callable[[Path], object]) -> None:
    before, _ = build(top, tmp_path / "store")
    change(top)
    after, read = build(top, tmp_path / "store")
    assert after == plain(top) != before
    assert len(read) <= 2


def test_a_change_that_hides_behind_the_old_times_and_size_is_seen(top: Path, tmp_path: Path) -> None:
    build(top, tmp_path / "store")
    victim = top / "many/7"
    old = victim.stat()
    victim.write_text("8")
    os.utime(victim, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert build(top, tmp_path / "store") == (plain(top), ["7"])


def test_a_file_written_just_before_it_was_read_is_read_again(top: Path, tmp_path: Path) -> None:
    # Within one tick of the clock it could be written once more without its times showing it
    hour_ns = 3_600 * 10**9
    build(top, tmp_path / "store", tick_ns=hour_ns)
    _, read = build(top, tmp_path / "store", tick_ns=hour_ns)
    assert len(read) == 104


def test_on_a_file_system_that_counts_in_seconds_it_takes_longer_until_a_file_is_trusted(
    top: Path, tmp_path: Path
) -> None:
    second_ns = 10**9
    found = (top / "z").stat()
    coarse = replace_times(found, 5 * second_ns)
    for read_ns, trusted in ((6 * second_ns, False), (8 * second_ns, True)):
        digests = remembered(top, tmp_path / f"store{read_ns}", coarse_tick_ns=2 * second_ns)
        for number in range(100):
            digests.note(f"many/{number}", coarse, b"d" * 32, read_ns)
        digests.save()
        again = remembered(top, tmp_path / f"store{read_ns}")
        assert (again.recall("many/7", coarse) == b"d" * 32) is trusted


def replace_times(found: os.stat_result, time_ns: int) -> os.stat_result:
    """The same, last changed at that moment."""
    return os.stat_result(tuple(found), {"st_mtime_ns": time_ns, "st_ctime_ns": time_ns})


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:40],
        lambda data: b"",
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda data: data.replace(b"digests 1", b"digests 9"),
    ],
)
def test_a_damaged_file_is_as_good_as_none(top: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    build(top, tmp_path / "store")
    (kept,) = (tmp_path / "store").iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    digest, read = build(top, tmp_path / "store")
    assert (digest, len(read)) == (plain(top), 104)
    assert build(top, tmp_path / "store") == (digest, [])


def test_few_files_are_not_worth_a_file(tmp_path: Path) -> None:
    build(grow(tmp_path / "top", SPEC), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_state_folder_that_refuses_is_no_failure(top: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")
    assert build(top, tmp_path / "store")[0] == plain(top)


def test_names_that_are_not_utf_8_are_remembered_too(top: Path, tmp_path: Path) -> None:
    (top / os.fsdecode(b"caf\xe9")).write_text("x")
    digest, _ = build(top, tmp_path / "store")
    assert build(top, tmp_path / "store") == (digest, [])


def test_what_one_target_reads_is_not_forgotten_by_another_s(top: Path, tmp_path: Path) -> None:
    build(top, tmp_path / "store")
    (top / "more").mkdir()
    for number in range(70):
        (top / f"more/{number}").write_text(str(number))
    digests = remembered(top, tmp_path / "store")
    read_contents(FolderTree(str(top), digests=digests), (copying("/more", "/"),))
    digests.save()
    assert build(top, tmp_path / "store")[1] == []


def test_folders_not_built_from_in_a_long_time_are_forgotten(top: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for number in range(300):
        (store / f"{number:032x}").touch()
        os.utime(store / f"{number:032x}", (number, number))
    build(top, store)
    assert len(list(store.iterdir())) == 200
    assert build(top, store)[1] == []
