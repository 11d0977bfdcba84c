"""Against the kernel: layers written without mounting are what the same operations leave on a mounted overlay.

A chain of random layers, random file ops on it; the same ops by plain system calls on an overlay mounted over
the chain; then both results, mounted, and our own reading of them, must be the same tree.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from llbuild.errors import LlbuildError
from llbuild.llb import FileCopy, FileMkdir, FileMkfile, FileOp, FileRm, FileStep, FileSymlink
from llbuild.tests.tools import run_tool
from llbuild.tests.worker.snapshot.trees import run_both_ways
from llbuild.worker.snapshot import LayerId, LayerStore, MergedTree, Snapshot, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llbuild.llb import FileAction
    from llbuild.worker.snapshot import Tree


pytestmark = pytest.mark.needs_root

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
DATA = st.sampled_from([b"", b"one", b"two" * 100])
ACTIONS = st.one_of(
    st.builds(FileMkdir, path=PATHS, mode=st.sampled_from([0o755, 0o700, 0o111]), make_parents=st.booleans()),
    st.builds(FileMkfile, path=PATHS, mode=st.sampled_from([0o644, 0o600]), data=DATA),
    st.builds(FileSymlink, old_path=st.sampled_from(["a", "b/c", "nowhere"]), new_path=PATHS),
    st.builds(FileRm, path=PATHS, allow_not_found=st.just(True)),  # noqa: FBT003
    st.builds(
        FileCopy,
        src=PATHS | st.just("/"),
        dest=PATHS | PATHS.map(lambda path: path + "/"),
        dir_copy_contents=st.booleans(),
        create_dest_path=st.just(True),  # noqa: FBT003
        always_replace_existing=st.booleans(),
    ),
)
LAYER = st.lists(ACTIONS, max_size=5)


@pytest.mark.parametrize("userxattr", [False, True], ids=["trusted", "user"])
@given(layers=st.lists(LAYER, max_size=3), actions=st.lists(ACTIONS, min_size=1, max_size=4))
@example(
    layers=[[FileMkfile(path="/a", mode=0o644)], []],
    actions=[FileRm(path="/a"), FileMkdir(path="/a", mode=0o755), FileRm(path="/a"), FileMkfile(path="/a", mode=0o600)],
)
@example(
    layers=[[FileMkdir(path="/a/b", mode=0o700, make_parents=True), FileMkfile(path="/a/b/c", mode=0o644)]],
    actions=[FileRm(path="/a"), FileMkdir(path="/a/b", mode=0o755, make_parents=True)],
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_file_ops_leave_what_they_would_on_a_mounted_overlay(
    layers: list[list[FileAction]], actions: list[FileAction], userxattr: bool
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="llbuild-overlay-"))
    try:
        store = LayerStore(folder / "state", userxattr=userxattr)
        base = Snapshot()
        for layer in layers:
            base = _run(store, base, _accepted(store, base, layer))
        accepted = _accepted(store, base, actions)
        result = _run(store, base, accepted)
        with mounted(store, result.layers) as root:
            made = told(root)
        assert read(_tree(store, result)) == made
        with scratch_overlay(store, base, folder) as root:
            for action in accepted:
                perform(action, root)
            want = told(root)
        assert made == want
    finally:
        shutil.rmtree(folder)


def _accepted(store: LayerStore, base: Snapshot, actions: Sequence[FileAction]) -> list[FileAction]:
    """The actions without those that are refused after the ones before them; a refused one leaves nothing."""
    accepted: list[FileAction] = []
    for action in actions:
        try:
            _run(store, base, [*accepted, action])
        except LlbuildError:
            assert not list(Path(store.folder(LayerId("any"))).parent.parent.glob("tmp-*"))
        else:
            accepted.append(action)
    return accepted


def _run(store: LayerStore, base: Snapshot, actions: Sequence[FileAction]) -> Snapshot:
    """In one layer. Copies are from the stage itself, as it was before."""
    if not actions:
        return base
    steps = tuple(
        FileStep(
            action=action,
            input=0 if number == 0 else number,
            secondary_input=0 if isinstance(action, FileCopy) else -1,
            output=0 if number == len(actions) - 1 else -1,
        )
        for number, action in enumerate(actions)
    )
    return run_both_ways(FileOp(steps=steps), [base], store)


def perform(action: FileAction, root: Path) -> None:
    """The same with system calls on a real file system, and no thought about layers."""
    match action:
        case FileMkdir():
            place = _inside(root, action.path)
            if action.make_parents:
                for folder in [*reversed(place.relative_to(root).parents), place.relative_to(root)]:
                    if not (root / folder).is_dir():
                        (root / folder).mkdir()
                        (root / folder).chmod(action.mode)
            elif not os.path.lexists(place):
                place.mkdir()
                place.chmod(action.mode)
        case FileMkfile():
            place = _inside(root, action.path)
            new = not place.exists()
            place.write_bytes(action.data)
            if new:
                place.chmod(action.mode)
        case FileSymlink():
            _inside(root, action.new_path).symlink_to(action.old_path)
        case FileRm():
            _remove(_beside(root, action.path))
        case FileCopy():
            _copy(action, _beside(Path(f"{root}.source"), action.src), root)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif os.path.lexists(place):
        place.unlink()


def _copy(action: FileCopy, source: Path, root: Path) -> None:
    dest = _inside(root, action.dest)
    above = dest if action.dest.endswith("/") else _inside(root, action.dest.rpartition("/")[0])
    above.mkdir(parents=True, exist_ok=True)
    is_folder = source.is_dir() and not source.is_symlink()
    if is_folder and action.dir_copy_contents:
        if action.always_replace_existing and not dest.is_dir():
            dest.unlink(missing_ok=True)
        dest.mkdir(parents=True, exist_ok=True)
    elif dest.is_dir() and action.src != "/":
        dest = dest / source.name
    dest.parent.mkdir(parents=True, exist_ok=True)
    new = not dest.exists()
    _copy_onto(source, dest, replace=action.always_replace_existing)
    if is_folder and new:
        dest.chmod(stat.S_IMODE(source.stat().st_mode))


def _copy_onto(source: Path, dest: Path, *, replace: bool) -> None:
    if source.is_symlink() or not source.is_dir():
        if replace and dest.is_dir() and not dest.is_symlink():
            shutil.rmtree(dest)
        dest.unlink(missing_ok=True)
        if source.is_symlink():
            dest.symlink_to(source.readlink())
        else:
            shutil.copy2(source, dest)
        return
    if replace and os.path.lexists(dest) and (dest.is_symlink() or not dest.is_dir()):
        dest.unlink()
    dest.mkdir(exist_ok=True)
    for inner in sorted(source.iterdir()):
        _copy_onto(inner, dest / inner.name, replace=replace)
        if inner.is_dir() and not inner.is_symlink():
            (dest / inner.name).chmod(stat.S_IMODE(inner.stat().st_mode))


def _inside(root: Path, path: str) -> Path:
    """Links followed; none of ours is absolute or goes up."""
    return Path(os.path.realpath(f"{root}/{path.strip('/')}"))


def _beside(root: Path, path: str) -> Path:
    """The same, but a link at the end is itself."""
    parent, _, name = path.strip("/").rpartition("/")
    return _inside(root, parent) / name


def told(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder, as the kernel shows it."""
    found: dict[str, tuple[object, ...]] = {}
    for top, folders, files in os.walk(root):
        for name in [*folders, *files]:
            place = Path(top, name)
            info = place.lstat()
            content: object = None
            if stat.S_ISLNK(info.st_mode):
                content = str(place.readlink())
            elif stat.S_ISREG(info.st_mode):
                content = place.read_bytes()
            found[str(place.relative_to(root))] = (info.st_mode, info.st_uid, info.st_gid, content)
    return found


def read(tree: Tree) -> dict[str, tuple[object, ...]]:
    """Everything in a tree, as we read it."""
    found: dict[str, tuple[object, ...]] = {}
    for visit in walk(tree, ""):
        content: object = None
        if stat.S_ISLNK(visit.stat.st_mode):
            content = visit.folder.readlink(visit.name)
        elif stat.S_ISREG(visit.stat.st_mode):
            with os.fdopen(visit.folder.open(visit.name), "rb") as file:
                content = file.read()
        found[visit.path] = (visit.stat.st_mode, visit.stat.st_uid, visit.stat.st_gid, content)
    return found


def _tree(store: LayerStore, snapshot: Snapshot) -> MergedTree:
    return MergedTree([store.folder(layer) for layer in snapshot.layers], userxattr=store.userxattr)


@contextmanager
def mounted(store: LayerStore, layers: Sequence[str], *options: str) -> Iterator[Path]:
    """The layers laid over each other by the kernel; an overlay needs two, so empty ones are put below."""
    spot = Path(tempfile.mkdtemp(prefix="llbuild-mount-"))
    for name in ("root", "empty", "emptier"):
        (spot / name).mkdir()
    lowers = [*(store.folder(LayerId(layer)) for layer in reversed(layers)), f"{spot}/empty", f"{spot}/emptier"]
    root = spot / "root"
    if store.userxattr:
        options = (*options, "userxattr")
    run_tool(["mount", "-t", "overlay", "-o", ",".join([f"lowerdir={':'.join(lowers)}", *options]), "overlay", root])
    try:
        yield root
    finally:
        run_tool(["umount", root])
        shutil.rmtree(spot)


@contextmanager
def scratch_overlay(store: LayerStore, base: Snapshot, folder: Path) -> Iterator[Path]:
    """A writable overlay on the layers, and beside it, as `<root>.source`, the layers as they were."""
    upper, work = folder / "upper", folder / "work"
    upper.mkdir()
    work.mkdir()
    options = [f"upperdir={upper}", f"workdir={work}", "index=off"]
    if not store.userxattr:  # which rules these out by itself
        options += ["metacopy=off", "redirect_dir=off"]
    with mounted(store, base.layers) as source, mounted(store, base.layers, *options) as root:
        beside = Path(f"{root}.source")
        beside.symlink_to(source)
        try:
            yield root
        finally:
            beside.unlink()
