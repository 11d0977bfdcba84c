"""Stacks of layers, against what overlayfs itself shows of them where it may be mounted."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.errors import SourceError
from llbuild.llb import FileAction, FileMkdir, FileMkfile, FileRm, FileSymlink
from llbuild.tests.worker.snapshot.trees import Bench, copying, show
from llbuild.worker.snapshot import FolderTree, MergedTree, Snapshot, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_no_layers_are_an_empty_tree() -> None:
    assert show(MergedTree([], userxattr=False)) == {}


def test_upper_layers_cover_lower_ones_and_folders_are_joined(bench: Bench) -> None:
    layers = (
        bench.layer({"d/a": "1", "d/b": "1", "f": "1", "was-folder/x": "1", "was-file": "1"}),
        bench.layer({"d/": "700", "d/b": "2", "was-folder": "2", "was-file/y": "2"}),
        bench.layer({"d/c": "3"}),
    )
    assert bench.show(Snapshot(layers)) == {
        "d/": "755",
        "d/a": "644 1",
        "d/b": "644 2",
        "d/c": "644 3",
        "f": "644 1",
        "was-file/": "755",
        "was-file/y": "644 2",
        "was-folder": "644 2",
    }


def test_a_whiteout_hides_all_below_it_and_nothing_above(bench: Bench) -> None:
    layers = (
        bench.layer({"d/a": "1", "f": "1", "g": "1"}),
        bench.layer({"d": "whiteout", "f": "whiteout", "never-was": "whiteout"}),
        bench.layer({"d/b": "3", "f": "3"}),
    )
    assert bench.show(Snapshot(layers)) == {"d/": "755", "d/b": "644 3", "f": "644 3", "g": "644 1"}
    tree = bench.tree(Snapshot(layers[:2]))
    assert tree.stat("d") is None
    assert tree.stat("d/a") is None
    assert tree.stat("never-was") is None


def test_an_opaque_folder_hides_what_lower_layers_have_in_it(bench: Bench) -> None:
    lower, upper = bench.layer({"d/a": "1", "d/s/b": "1", "e": "1"}), bench.layer({"d/c": "2", "d/s/": ""})
    bench.hide_below(upper, "d")
    assert bench.show(Snapshot((lower, upper))) == {"d/": "755", "d/c": "644 2", "d/s/": "755", "e": "644 1"}


def test_a_file_in_the_middle_cuts_the_folders_above_it_from_those_below(bench: Bench) -> None:
    layers = (bench.layer({"d/low": "1"}), bench.layer({"d": "file"}), bench.layer({"d/high": "3"}))
    assert bench.show(Snapshot(layers)) == {"d/": "755", "d/high": "644 3"}


def test_nothing_is_found_through_a_file_or_a_link(bench: Bench) -> None:
    tree = bench.tree(Snapshot((bench.layer({"f": "x", "l": "-> d", "d/g": "y"}),)))
    assert tree.stat("f/x") is None
    assert tree.stat("l/g") is None
    assert tree.stat("d/g") is not None
    for path in ("f", "l", "none", "d/none/at/all"):
        with pytest.raises(SourceError):
            tree.directory(path)


def test_a_stack_of_hundreds_is_read_like_any_other(bench: Bench) -> None:
    layers = tuple(bench.layer({f"d/{number}": "x", "d/same": str(number)}) for number in range(200))
    shown = bench.show(Snapshot(layers))
    assert len(shown) == 202
    assert shown["d/same"] == "644 199"


RESOLVED = [
    ("a/b", "a/b"),
    ("/a//./b/", "a/b"),
    ("link/b", "a/b"),
    ("absolute/b", "a/b"),
    ("far-up/b", "a/b"),
    ("../../a", "a"),
    ("link/../x", "x"),
    ("to-file", "a/b"),
    ("nowhere", "not/there"),
    ("missing/../a", "a"),
    ("two/b", "a/b"),
]


@pytest.mark.parametrize(("path", "want"), RESOLVED)
def test_links_are_followed_inside_the_root(bench: Bench, path: str, want: str) -> None:
    links = {"link": "-> a", "absolute": "-> /a", "far-up": "-> ../../../../a", "to-file": "-> link/b"}
    tree = bench.tree(Snapshot((bench.layer({"a/b": "x", **links, "nowhere": "-> not/there", "two": "-> link"}),)))
    assert resolve(tree, path) == want


def test_the_last_link_is_left_when_it_is_meant_itself_and_loops_end(bench: Bench) -> None:
    tree = bench.tree(Snapshot((bench.layer({"l": "-> l2", "l2": "-> l", "d": "-> e", "e/x": "-> y"}),)))
    assert resolve(tree, "l", follow_last=False) == "l"
    assert resolve(tree, "d/x", follow_last=False) == "e/x"
    with pytest.raises(SourceError, match="too many symbolic links in 'l'"):
        resolve(tree, "l")


# --- against the kernel ---------------------------------------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A place to mount at."""
    place = tmp_path / "mounted"
    place.mkdir()
    yield place
    _libc().umount2(os.fsencode(place), 2)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mount_overlay(folders: list[str], place: Path) -> None:
    """Read-only, as a step would see the stack."""
    lowers = ":".join(reversed(folders))
    if len(folders) == 1:  # overlayfs wants two
        empty = place.parent / "empty"
        empty.mkdir(exist_ok=True)
        lowers += f":{empty}"
    options = f"lowerdir={lowers}".encode()
    if _libc().mount(b"overlay", os.fsencode(place), b"overlay", 1, options) != 0:
        pytest.skip(f"overlayfs cannot be mounted here: {os.strerror(ctypes.get_errno())}")


_NAMES = st.sampled_from(["a", "b", "c", "l"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
_ACTIONS = st.one_of(
    st.builds(FileMkfile, path=_PATHS, mode=st.sampled_from([0o644, 0o600]), data=st.sampled_from([b"1", b"22"])),
    st.builds(FileMkdir, path=_PATHS, mode=st.sampled_from([0o755, 0o700]), make_parents=st.just(value=True)),
    st.builds(FileRm, path=_PATHS, allow_not_found=st.just(value=True)),
    st.builds(FileSymlink, old_path=_PATHS, new_path=_PATHS),
    st.builds(copying, _PATHS, _PATHS, always_replace_existing=st.booleans()),
)


@pytest.mark.needs_root
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_ACTIONS, min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_stack_of_edits_looks_as_overlayfs_shows_it(
    tmp_path: Path, mounted: Path, ops: list[list[FileAction]]
) -> None:
    """Layers made by file ops, read by MergedTree, and the same layers mounted by the kernel."""
    from llbuild.errors import LlbuildError

    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    bench = Bench(tmp_path)
    snapshot = Snapshot((bench.layer({"a/b/c": "0", "b": "0", "l": "-> a"}),))
    for actions in ops:
        for action in actions:
            try:
                snapshot = bench.run(snapshot, action, source=snapshot)
            except LlbuildError:  # e.g. a parent that is missing
                continue
    _mount_overlay([bench.store.folder(layer) for layer in snapshot.layers], mounted)
    try:
        want = show(FolderTree(str(mounted)))
        found = bench.show(snapshot)
    finally:
        _libc().umount2(os.fsencode(mounted), 0)
    assert found == want


@pytest.mark.needs_root
def test_a_layer_made_by_overlayfs_is_read_as_it_shows_it(bench: Bench, mounted: Path) -> None:
    """The other way round: the kernel writes the upper layer, as in a RUN."""
    base = bench.layer({"d/a": "1", "d/s/x": "1", "e/f": "1", "g": "1"})
    active = bench.store.begin()
    options = f"lowerdir={bench.store.folder(base)},upperdir={active.fs},workdir={active.work}".encode()
    if _libc().mount(b"overlay", os.fsencode(mounted), b"overlay", 0, options) != 0:
        pytest.skip(f"overlayfs cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    shutil.rmtree(mounted / "d")
    (mounted / "d").mkdir()
    (mounted / "d/new").write_text("2")
    (mounted / "e/f").chmod(0o600)
    (mounted / "g").unlink()
    (mounted / "e/link").symlink_to("f")
    os.mknod(mounted / "e/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    want = show(FolderTree(str(mounted)))
    _libc().umount2(os.fsencode(mounted), 0)
    assert bench.show(Snapshot((base, bench.store.commit(active)))) == want
    assert want["d/new"] == "644 2"
