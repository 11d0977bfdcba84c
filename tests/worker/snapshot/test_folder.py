"""A client's folder: what .dockerignore leaves of it, and what happens when it changes under us."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llbuild.errors import LlbuildError, SourceError
from llbuild.patterns import IgnoreList
from llbuild.tests.worker.snapshot.trees import (
    IS_ROOT,
    Bench,
    copying,
    grow,
    packed_members,
    refifo,
    relink,
    replace,
    show,
    swap_for_link,
)
from llbuild.worker.fileop import run_file_op
from llbuild.worker.filepack import plan_file_op
from llbuild.worker.snapshot import FolderTree, Snapshot, read_contents, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from llbuild.llb import FileOp
    from llbuild.worker.snapshot import LayerStore, Tree

ALL = (copying("/", "/"),)
SPEC = {
    "src/main.c": "m",
    "src/main.o": "o",
    "src/deep/x.c": "x",
    "node_modules/m/index.js": "j",
    "node_modules/m/keep.md": "k",
    "docs/a.md": "a",
    "docs/b.txt": "b",
    "empty/": "",
    ".git/config": "g",
    "Dockerfile": "d",
}

IGNORED = [
    ((), "everything"),
    (("*", "!src"), "src/ src/deep/ src/deep/x.c src/main.c src/main.o"),
    (("*", "!src/deep"), "src/ src/deep/ src/deep/x.c"),  # a folder is there for what is in it, and no other is
    (("*", "!src/*.c"), "src/ src/main.c"),
    (("**", "!**/*.c"), "src/ src/deep/ src/deep/x.c src/main.c"),
    (("*", "!**/*.md"), "docs/ docs/a.md node_modules/ node_modules/m/ node_modules/m/keep.md"),
    (("*", "!src", "**/*.o"), "src/ src/deep/ src/deep/x.c src/main.c"),
    (("*", "!docs/", "docs/b.txt"), "docs/ docs/a.md"),
    (("*", "!nothing/here"), ""),
    (("*", "!empty"), "empty/"),
    (("**/*.*", "node_modules", ".git", "docs"), "Dockerfile empty/ src/ src/deep/"),
    (("./src/", "/docs", "node_modules/**", ".git"), "Dockerfile empty/ node_modules/"),
    (("src/../docs", ".git", "node_modules", "src"), "Dockerfile empty/"),
]


def paths(tree: Tree) -> str:
    return " ".join(show(tree))


@pytest.mark.parametrize(("lines", "want"), IGNORED)
def test_the_context_is_what_the_ignore_file_leaves(tmp_path: Path, lines: tuple[str, ...], want: str) -> None:
    everything = paths(FolderTree(str(grow(tmp_path, SPEC))))
    tree = FolderTree(str(tmp_path), excludes=lines)
    assert paths(tree) == (everything if want == "everything" else want)
    for path in everything.split():
        found = tree.stat(path.rstrip("/"))
        assert (found is not None) == (path in paths(tree).split()), path
        assert tree.excludes(path.rstrip("/")) == (found is None)


NAMES = st.sampled_from(["a", "b", "c"])
PATTERN = st.tuples(
    st.sampled_from(["", "!"]), st.lists(NAMES | st.sampled_from(["*", "**", "?"]), min_size=1, max_size=3)
).map(lambda both: both[0] + "/".join(both[1]))


@given(lines=st.lists(PATTERN, max_size=5))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_context_holds_what_the_list_takes_and_the_folders_above(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    top = tmp_path_factory.getbasetemp() / "ignore-tree"
    if not top.exists():
        grow(top, {f"{x}/{y}/{z}": "" for x in "abc" for y in "abc" for z in "abc"})
    ignore = IgnoreList(lines)
    everything = [visit.path for visit in walk(FolderTree(str(top)), "")]
    taken = [path for path in everything if not ignore.excludes(path)]
    above = {path[:at] for path in taken for at in range(len(path)) if path[at] == "/"}
    tree = FolderTree(str(top), excludes=lines)
    assert {visit.path for visit in walk(tree, "")} == {*taken, *above}


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"malformed line in .dockerignore: pattern 'a\['"):
        FolderTree(str(tmp_path), excludes=("fine", "a["))


def test_an_excluded_folder_without_exceptions_is_never_opened(tmp_path: Path) -> None:
    grow(tmp_path, {"secret/x": "x", "f": "f"})
    (tmp_path / "secret").rename(tmp_path / "gone")
    os.symlink("/proc/1/nothing", tmp_path / "secret")
    assert paths(FolderTree(str(tmp_path), excludes=("secret", "gone", "!f"))) == "f"


MEANWHILE: list[tuple[str, Callable[[Path], object]]] = [
    ("other content", lambda top: (top / "d/f").write_text("other")),
    ("touched", lambda top: os.utime(top / "d/f")),
    ("other mode", lambda top: (top / "d/f").chmod(0o600)),
    ("another file of that name", lambda top: replace(top / "d/f", "one")),
    ("a file more", lambda top: (top / "d/new").touch()),
    ("a file less", lambda top: (top / "d/g").unlink()),
    ("a folder more", lambda top: (top / "d/new").mkdir()),
    ("other mode of a folder", lambda top: (top / "d").chmod(0o700)),
    ("link target", lambda top: relink(top / "d/l", "g")),
    ("a fifo for a file", lambda top: refifo(top / "d/f")),
    ("a link for a file", lambda top: relink(top / "d/f", "/etc/passwd")),
    ("a link for a folder", lambda top: swap_for_link(top / "d")),
    ("nothing for a folder", lambda top: (top / "d").rename(top.parent / "moved")),
]


@pytest.mark.parametrize("change", [change for _, change in MEANWHILE], ids=[name for name, _ in MEANWHILE])
def test_what_changes_between_hashing_and_copying_stops_the_build(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    bench = Bench(tmp_path)
    context = bench.context({"d/f": "one", "d/g": "two", "d/l": "-> f"})
    read_contents(context, ALL)
    change(tmp_path / "context1")
    with pytest.raises(SourceError):
        bench.run(Snapshot(), *ALL, source=context)
    assert bench.names() == []


def test_what_changes_elsewhere_or_is_ignored_does_not_stop_the_build(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    context = bench.context({"d/f": "one", "other/g": "two", "d/build.log": ""}, "**/*.log")
    read_contents(context, [copying("/d", "/")])
    for name in ("other/new", "d/second.log", "d/build.log"):
        (tmp_path / "context1" / name).write_text("x")
    assert bench.show(bench.run(Snapshot(), copying("/d", "/"), source=context)) == {"f": "644 one"}


def one_way(op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> Snapshot:
    (snapshot,) = run_file_op(op, inputs, store)
    return snapshot


def packed_only(op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> Snapshot:
    """Without a folder, if it can be; what is packed is the folder's content, or the link itself."""
    planned = plan_file_op(op, inputs, store)
    if planned is not None:
        found = [(member[0], member[-1]) for member in packed_members(planned[1].pack)]
        assert found in ([("f", b"mine")], [("d", b"")])
    return Snapshot()


def test_a_folder_swapped_for_a_link_again_and_again_never_shows_what_lies_outside(tmp_path: Path) -> None:
    """The race for real: every result is the folder's own content or an error."""
    bench = Bench(tmp_path)
    outside = grow(tmp_path / "outside", {"f": "secret"})
    context = bench.context({"d/f": "mine"})
    top = tmp_path / "context1"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (top / "d").rename(top / "away")
            (top / "d").symlink_to(outside)
            (top / "d").unlink()
            (top / "away").rename(top / "d")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(300):
            tree = FolderTree(context._path)
            try:
                how = one_way if number % 2 else packed_only
                result = bench.run(Snapshot(), copying("/d/", "/"), source=tree, how=how)
            except LlbuildError:
                continue
            if not number % 2:
                continue
            assert bench.show(result) in ({"f": "644 mine"}, {"d": f"-> {outside}"})
    finally:
        done.set()
        swapper.join()


def test_a_file_without_permissions_keeps_having_none(tmp_path: Path) -> None:
    if not IS_ROOT:
        pytest.skip("only root can read it")
    bench = Bench(tmp_path)
    context = bench.context({"f": "x"})
    (tmp_path / "context1/f").chmod(0)
    assert bench.show(bench.run(Snapshot(), *ALL, source=context)) == {"f": "0 x"}


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        read_contents(FolderTree(f"{tmp_path}/nowhere"), ALL)


def test_a_fifo_in_a_context_does_not_block_whoever_reads_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with FolderTree(str(tmp_path)).directory("") as folder:
        os.close(folder.open("fifo"))


@pytest.mark.needs_root
def test_a_device_that_means_deletion_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    context = bench.context({"f": "x"})
    os.mknod(tmp_path / "context1/gone", 0o020600, 0)
    with pytest.raises(LlbuildError, match="stands for a deletion"):
        bench.run(Snapshot(), *ALL, source=context)
    assert bench.names() == []


def test_threads_share_a_tree_and_a_store(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    context = bench.context({f"d{n % 7}/f{n}": str(n) for n in range(60)}, "**/f5*", "!d1/f5*")
    want = bench.show(bench.run(Snapshot(), *ALL, source=context))
    results: list[dict[str, str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(bench.show(bench.run(Snapshot(), *ALL, source=context))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [want] * 6


def test_folders_kept_open_are_few_and_closed_in_the_end(tmp_path: Path) -> None:
    grow(tmp_path, {f"d{number}/f": "x" for number in range(100)})
    before = len(os.listdir("/proc/self/fd"))
    tree = FolderTree(str(tmp_path))
    for number in range(100):
        assert tree.stat(f"d{number}/f") is not None
    assert before < len(os.listdir("/proc/self/fd")) <= before + 64
    del tree
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_is_listed_from_its_start_however_many_look_at_it_at_once(tmp_path: Path) -> None:
    grow(tmp_path, {f"d/{number}": "x" for number in range(2_000)})
    tree = FolderTree(str(tmp_path))
    tree.stat("d/1")

    def count(_: int) -> int:
        with tree.directory("d") as folder:
            return len(folder.entries())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(count, range(16))) == {2_000}


def test_a_folder_swapped_for_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    top = grow(tmp_path / "top", {"d/f": "inside"})
    outside = grow(tmp_path / "outside", {"f": "a secret"})
    tree = FolderTree(str(top))
    assert tree.stat("d/f") is not None
    (top / "d").rename(top / "e")
    (top / "d").symlink_to(outside)
    with tree.directory("d") as folder:
        handle = folder.open("f")
    assert os.read(handle, 99) == b"inside"
    os.close(handle)
