"""Layers on layers: what a file op writes into its own, and what a stack of them shows."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from llbuild.errors import LlbuildError
from llbuild.llb import FileAction, FileMkdir, FileMkfile, FileOp, FileRm, FileStep, FileSymlink
from llbuild.tests.test_imports import loaded_after
from llbuild.tests.worker.snapshot.trees import Bench, copying
from llbuild.worker.fileop import run_file_op
from llbuild.worker.snapshot import LayerWriter, MergedTree, Snapshot, resolve


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def upper(bench: Bench, snapshot: Snapshot) -> dict[str, str]:
    """What the topmost layer itself holds: overlayfs's own marks in plain sight."""
    top = Path(bench.store.folder(snapshot.layers[-1]))
    found = {}
    for folder, folders, files in os.walk(top):
        for name in sorted([*folders, *files]):
            place = Path(folder, name)
            info = place.lstat()
            marks = [mark for mark in os.listxattr(place, follow_symlinks=False) if mark.endswith("overlay.opaque")]
            kind = "whiteout" if stat.S_ISCHR(info.st_mode) else "opaque" if marks else stat.filemode(info.st_mode)[0]
            found[str(place.relative_to(top))] = kind
    return found


UPPERS: list[tuple[dict[str, str], tuple[FileAction, ...], dict[str, str]]] = [
    ({"a/f": "x"}, (FileRm(path="/a/f"),), {"a": "d", "a/f": "whiteout"}),
    ({"a/f": "x"}, (FileRm(path="/a"),), {"a": "whiteout"}),
    ({"a/f": "x"}, (FileRm(path="/a"), FileMkdir(path="/a", mode=0o755)), {"a": "opaque"}),
    ({"a/f": "x"}, (FileRm(path="/a"), FileMkfile(path="/a", mode=0o644)), {"a": "-"}),
    (
        {"a": "x"},
        (FileRm(path="/a"), FileMkdir(path="/a/b", mode=0o755, make_parents=True)),
        {"a": "opaque", "a/b": "d"},
    ),
    ({"a": "x"}, (FileMkfile(path="/a", mode=0o644),), {"a": "-"}),
    ({}, (FileMkfile(path="/a", mode=0o644), FileRm(path="/a")), {}),
    ({"a": "x"}, (FileMkfile(path="/a", mode=0o644), FileRm(path="/a")), {"a": "whiteout"}),
    ({"a/b/": ""}, (FileMkdir(path="/a/b", mode=0o755, make_parents=True),), {}),
    ({"a/b/": ""}, (FileMkdir(path="/a/b/c", mode=0o755),), {"a": "d", "a/b": "d", "a/b/c": "d"}),
    (
        {"a/f": "x", "a/g": "y"},
        (FileRm(path="/a/*", allow_wildcard=True),),
        {"a": "d", "a/f": "whiteout", "a/g": "whiteout"},
    ),
    ({"l": "-> a", "a/f": "x"}, (FileRm(path="/l"),), {"l": "whiteout"}),
    ({"l": "-> a", "a/f": "x"}, (FileRm(path="/l/f"),), {"a": "d", "a/f": "whiteout"}),
    ({"a/f": "x"}, (FileRm(path="/b", allow_not_found=True),), {}),
    ({"a/f": "x"}, (FileRm(path="/no/*", allow_not_found=True, allow_wildcard=True),), {}),
]


@pytest.mark.needs_root
@pytest.mark.parametrize(("base", "actions", "want"), UPPERS)
def test_a_layer_holds_the_change_and_nothing_else(
    bench: Bench, base: dict[str, str], actions: tuple[FileAction, ...], want: dict[str, str]
) -> None:
    assert upper(bench, bench.run(Snapshot((bench.layer(base),)), *actions)) == want


REFUSED: list[tuple[FileAction, str]] = [
    (FileRm(path="/"), "cannot remove the root folder"),
    (FileRm(path="/a/.."), "cannot remove the root folder"),
    (FileRm(path="/no"), "cannot remove it: 'no' not found"),
    (FileMkdir(path="/no/x", mode=0o755), "the folder /no does not exist"),
    (FileMkdir(path="/f/x", mode=0o755, make_parents=True), "/f is not a folder"),
    (FileMkdir(path="/f", mode=0o755, make_parents=True), "/f is not a folder"),
    (FileMkfile(path="/no/x", mode=0o644), "the folder /no does not exist"),
    (FileMkfile(path="/f/x", mode=0o644), "/f is not a folder"),
    (FileMkfile(path="/d", mode=0o644), "cannot replace the folder /d with a file"),
    (FileSymlink(old_path="x", new_path="/f"), "cannot make the link /f: it exists"),
    (FileSymlink(old_path="x", new_path="/no/l"), "the folder /no does not exist"),
    (FileMkfile(path="/loop/x", mode=0o644), "too many symbolic links in '/loop/x'"),
    (FileMkdir(path="/" + "n" * 256, mode=0o755), "File name too long"),
    (FileMkdir(path="/" + "deep/" * 900, mode=0o755, make_parents=True), "File name too long"),
]


@pytest.mark.parametrize(("action", "message"), REFUSED)
def test_what_cannot_be_is_refused_and_leaves_nothing(bench: Bench, action: FileAction, message: str) -> None:
    base = Snapshot((bench.layer({"f": "x", "d/": "", "loop": "-> loop"}),))
    before = bench.names()
    with pytest.raises(LlbuildError) as caught:
        bench.run(base, action)
    assert caught.value.message.startswith(message)
    assert str(bench.folder) not in caught.value.message
    assert bench.names() == before


def test_folders_as_deep_as_a_path_goes_are_made(bench: Bench) -> None:
    path = "/d" * 1500
    result = bench.run(Snapshot(), FileMkdir(path=path, mode=0o755, make_parents=True))
    assert bench.tree(result).stat(path[1:]) is not None
    bench.store.remove(result.layers[0])  # too deep for who cleans up after the test


def test_made_things_have_the_mode_they_were_asked_for_whatever_the_umask(bench: Bench) -> None:
    before = os.umask(0o077)
    try:
        result = bench.run(
            Snapshot(),
            FileMkdir(path="/d/e", mode=0o6777, make_parents=True),
            FileMkfile(path="/d/f", mode=0o4666, data=b"x"),
            copying("/g", "/n/"),
            source=bench.context({"g": "y"}),
        )
    finally:
        os.umask(before)
    assert bench.show(result) == {
        "d/": "777", "d/e/": "777", "d/f": "666 x", "n/": "755", "n/g": "644 y"
    }  # fmt: skip  # set-id bits are not for mkdir and mkfile, as in BuildKit


def test_a_file_written_over_keeps_its_mode_and_a_link_leads_to_what_is_written(bench: Bench) -> None:
    base = Snapshot((bench.layer({"f": "old", "l": "-> f", "dangling": "-> d/new", "d/": ""}),))
    os.chmod(f"{bench.store.folder(base.layers[0])}/f", 0o751)
    result = bench.run(
        base,
        FileMkfile(path="/l", mode=0o600, data=b"new"),
        FileMkfile(path="/dangling", mode=0o600, data=b"made"),
    )
    assert bench.show(result) == {
        "d/": "755", "d/new": "600 made", "dangling": "-> d/new", "f": "751 new", "l": "-> f"
    }  # fmt: skip


@pytest.mark.needs_root
def test_a_group_that_a_folder_hands_down_does_not_stick_to_copies(bench: Bench) -> None:
    base = Snapshot((bench.layer({"d/": "2775"}, owners={"d": (0, 50)}),))
    os.chmod(f"{bench.store.folder(base.layers[0])}/d", 0o2775)
    result = bench.run(base, copying("/", "/d/"), source=bench.context({"f": "x", "n/g": "y"}))
    assert bench.show(result) == {"d/": "2775 of 0:50", "d/f": "644 x", "d/n/": "755", "d/n/g": "644 y"}


def test_octal_modes_are_for_new_folders_above_too_and_words_are_not(bench: Bench) -> None:
    context = bench.context({"f": "x"})
    octal = bench.run(Snapshot(), copying("/f", "/p/f", mode=0o700), source=context)
    words = bench.run(Snapshot(), copying("/f", "/p/f", mode=0, mode_text="u+x"), source=context)
    assert bench.show(octal) == {"p/": "700", "p/f": "700 x"}
    assert bench.show(words) == {"p/": "755", "p/f": "744 x"}


def test_a_hundred_layers_show_what_each_left_of_the_others(bench: Bench) -> None:
    state, want = Snapshot(), {}
    for number in range(100):
        actions: list[FileAction] = [FileMkfile(path=f"/f{number % 10}", mode=0o644, data=str(number).encode())]
        want[f"f{number % 10}"] = f"644 {number}"
        if number % 3 == 0:
            actions.append(FileRm(path=f"/f{(number + 5) % 10}", allow_not_found=True))
            want.pop(f"f{(number + 5) % 10}", None)
        state = bench.run(state, *actions)
    assert bench.show(state) == dict(sorted(want.items()))


def test_a_step_may_copy_from_the_result_it_works_on(bench: Bench) -> None:
    """Both edges lead to the same step: what is read stays as it was while its copy grows inside itself."""
    op = FileOp(
        steps=(
            FileStep(action=FileMkfile(path="/f", mode=0o644, data=b"x")),
            FileStep(action=copying("/", "/inside/"), input=0, secondary_input=0, output=0),
        )
    )
    (result,) = run_file_op(op, [], bench.store)
    assert bench.show(result) == {"f": "644 x", "inside/": "755", "inside/f": "644 x"}


def test_copying_files_of_one_link_from_two_sources_mixes_nothing_up(bench: Bench) -> None:
    context = bench.context({"a/x": "one", "a/z": "= a/x", "b/x": "other", "c/y": "= a/x"})
    result = bench.run(Snapshot(), copying("/[abc]", "/w/"), source=context)
    assert bench.show(result) == {"w/": "755", "w/x": "644 other", "w/y": "644 one", "w/z": "644 one"}


def test_a_layer_in_the_making_shows_what_is_below_and_what_was_done(bench: Bench) -> None:
    base = MergedTree([bench.store.folder(bench.layer({"a/b/f": "x", "l": "-> a"}))], userxattr=bench.store.userxattr)
    writer = LayerWriter(base, bench.store.begin(mounted=False).fs, userxattr=bench.store.userxattr)
    assert resolve(writer, "l/b") == "a/b"
    assert writer.stat("a/b/f") is not None
    writer.remove("a")
    assert writer.stat("a") is None
    assert writer.stat("a/b/f") is None
    assert writer.make_folder("a/b")
    assert writer.stat("a/b/f") is None
    with writer.directory("a/b") as folder:
        assert folder.entries() == []
    with pytest.raises(LlbuildError, match="/a/nothing is not a folder"):
        writer.directory("a/nothing")


def test_what_a_cached_build_needs_of_snapshots_is_light() -> None:
    code = "from llbuild.worker.snapshot import LayerStore, FolderTree, read_contents, pick, MergedTree, walk"
    heavy = {"shutil", "difflib", "tempfile", "tarfile", "secrets", "dataclasses", "hashlib", "bz2", "lzma", "zlib"}
    before = loaded_after("import llbuild.llb, llbuild.digest")
    assert not (loaded_after(code) - before) & heavy


@pytest.mark.needs_root
def test_set_id_bits_and_capabilities_come_along_whoever_owns_the_file(bench: Bench) -> None:
    capability = bytes.fromhex(
        "0100000200040000000000000000000000000000"
    )  # cap_net_bind_service+ep, setcap's own bytes
    layer = bench.layer({"bin/su": "x", "bin/ping": "y"}, owners={"bin/su": (7, 8), "bin/ping": (7, 8)})
    os.chmod(f"{bench.store.folder(layer)}/bin/su", 0o6755)
    os.setxattr(f"{bench.store.folder(layer)}/bin/ping", "security.capability", capability)
    result = bench.run(Snapshot(), copying("/bin", "/b/"), source=Snapshot((layer,)))
    assert bench.show(result) == {"b/": "755", "b/su": "6755 x of 7:8", "b/ping": "644 y of 7:8"}
    copied = f"{bench.store.folder(result.layers[0])}/b/ping"
    assert os.getxattr(copied, "security.capability") == capability


def test_what_changes_a_path_by_its_text_is_taken_by_its_text(bench: Bench) -> None:
    """`..` in a source or destination goes by the name, as in BuildKit: links are followed after that."""
    base = Snapshot((bench.layer({"l": "-> deep/down", "deep/down/": ""}),))
    result = bench.run(base, FileMkfile(path="/l/../f", mode=0o644, data=b"x"), FileMkdir(path="/l/./d", mode=0o755))
    assert bench.tree(result).stat("f") is not None
    assert bench.tree(result).stat("deep/down/d") is not None
