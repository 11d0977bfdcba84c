"""The same rooms without root's rights: this process gives them up for a while."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import LlbuildError, SourceError
from llbuild.llb import FileMkdir, FileRm
from llbuild.tests.worker.snapshot.trees import Bench, copying, grow
from llbuild.worker.snapshot import FolderTree, LayerStore, Snapshot, read_contents

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs_root

NOBODY = 65534
ALL = (copying("/", "/"),)


@contextmanager
def nobody() -> Iterator[None]:
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where an ordinary user may go; pytest's own folders are the user's who runs it."""
    path = Path(tempfile.mkdtemp(prefix="llbuild-nobody-"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def _bench(folder: Path) -> Bench:
    bench = Bench(folder)
    bench.store = LayerStore(folder / "state", userxattr=True)
    return bench


@pytest.mark.parametrize("what", ["d/f", "d"])
def test_what_cannot_be_read_says_so_and_what_to_do(folder: Path, what: str) -> None:
    with nobody():
        bench = _bench(folder)
        context = bench.context({"d/f": "x"})
        (folder / "context1" / what).chmod(0)
        with pytest.raises(
            SourceError, match=f"cannot read '{what}' of the build context: Permission denied"
        ) as caught:
            read_contents(context, ALL)
        assert "dockerignore" in caught.value.hint
        with pytest.raises(SourceError, match=f"cannot read '{what}'"):
            bench.run(Snapshot(), *ALL, source=context)
        assert bench.names() == []


def test_a_folder_whose_files_cannot_be_seen_is_an_error_too(folder: Path) -> None:
    with nobody():
        context = _bench(folder).context({"d/f": "x"})
        (folder / "context1/d").chmod(0o444)
        with pytest.raises(SourceError, match="cannot read 'd"):
            read_contents(context, ALL)


def test_what_is_ignored_need_not_be_readable(folder: Path) -> None:
    with nobody():
        bench = _bench(folder)
        grow(folder / "context", {"d/f": "x", "g": "x"})
        (folder / "context/d").chmod(0)
        context = FolderTree(f"{folder}/context", excludes=("d", "!g"))
        assert bench.show(bench.run(Snapshot(), *ALL, source=context)) == {"g": f"644 x of {NOBODY}:{NOBODY}"}


def test_owners_that_cannot_be_set_are_left(folder: Path) -> None:
    with nobody():
        bench = _bench(folder)
        result = bench.run(Snapshot(), *ALL, source=bench.context({"d/f": "x"}))
        found = bench.tree(result).stat("d/f")
    assert found is not None
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)


def test_a_device_is_refused_by_name(folder: Path) -> None:
    grow(folder / "context", {"f": "x"})
    os.mknod(folder / "context/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with nobody():
        bench = _bench(folder)
        with pytest.raises(LlbuildError, match="cannot copy the device /null"):
            bench.run(Snapshot(), *ALL, source=FolderTree(f"{folder}/context"))


def test_deletions_and_layers_nobody_may_enter_work_and_go(folder: Path) -> None:
    with nobody():
        bench = _bench(folder)
        base = bench.run(Snapshot(), FileMkdir(path="/d", mode=0), *ALL, source=bench.context({"e/f": "x"}))
        gone = bench.run(base, FileRm(path="/e"))
        assert [entry.name for entry in bench.tree(gone).directory("").entries()] == ["d"]
        for layer in gone.layers:
            bench.store.remove(layer)
        assert bench.names() == []


def test_deep_folders_without_permissions_are_removed(folder: Path) -> None:
    with nobody():
        store = LayerStore(folder / "state", userxattr=True)
        active = store.begin()
        deep = Path(active.fs, *["d"] * 250)
        deep.mkdir(parents=True)
        (deep / "f").touch()
        for place in [deep, *deep.parents][:250]:
            place.chmod(0)
        store.discard(active)
        assert os.listdir(folder / "state/snapshots") == []
