"""The layer store: nothing half-made is ever seen, nothing dead is kept, nothing alive is swept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from llbuild.errors import NotFoundError, StoreError
from llbuild.tests.tools import ROOT
from llbuild.worker.snapshot import LayerId, LayerStore


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "deep" / "state", userxattr=False)


def _names(store: LayerStore) -> list[str]:
    return sorted(os.listdir(Path(store.folder(LayerId("x"))).parent.parent))


def test_a_layer_is_there_from_its_commit_on(store: LayerStore) -> None:
    active = store.begin()
    Path(active.fs, "f").write_text("x")
    layer = store.commit(active)
    assert layer.startswith("run-")
    assert store.has(layer)
    assert Path(store.folder(layer), "f").read_text() == "x"
    assert _names(store) == [layer]
    assert os.listdir(Path(store.folder(layer)).parent) == ["fs"]


def test_a_layer_for_a_mount_has_overlay_s_work_folder_and_another_has_not(store: LayerStore) -> None:
    assert Path(store.begin().work).is_dir()
    assert not Path(store.begin(mounted=False).work).exists()


def test_the_root_of_a_layer_has_its_mode_whatever_the_umask(store: LayerStore) -> None:
    before = os.umask(0o077)
    try:
        active = store.begin()
    finally:
        os.umask(before)
    assert Path(active.fs).stat().st_mode & 0o777 == 0o755
    assert Path(active.fs).parent.stat().st_mode & 0o777 == 0o700


def test_the_first_of_two_layers_of_one_name_stays(store: LayerStore) -> None:
    name = LayerId("sha256-" + "0" * 64)
    first, second = store.begin(), store.begin()
    Path(first.fs, "first").touch()
    Path(second.fs, "second").touch()
    assert store.commit(first, name) == store.commit(second, name) == name
    assert os.listdir(store.folder(name)) == ["first"]
    assert _names(store) == [name]


def test_discarding_leaves_nothing_and_may_be_done_twice_or_after_a_commit(store: LayerStore) -> None:
    kept, dropped = store.begin(), store.begin()
    Path(dropped.fs, "a/b").mkdir(parents=True)
    Path(dropped.fs, "a/b/f").touch()
    layer = store.commit(kept)
    for active in (dropped, dropped, kept):
        store.discard(active)
    assert _names(store) == [layer]


def test_a_removed_layer_is_gone_and_cannot_be_removed_again(store: LayerStore) -> None:
    layer = store.commit(store.begin())
    store.remove(layer)
    assert not store.has(layer)
    assert _names(store) == []
    with pytest.raises(NotFoundError, match=layer):
        store.remove(layer)


def test_what_overlayfs_leaves_in_its_work_folder_goes(store: LayerStore) -> None:
    active = store.begin()
    Path(active.work, "work/incompat/volatile").mkdir(parents=True)
    Path(active.work, "work/incompat").chmod(0)
    Path(active.work, "work").chmod(0)
    layer = store.commit(active)
    assert os.listdir(Path(store.folder(layer)).parent) == ["fs"]
    assert len(_names(store)) == 2  # aside, until there is time
    store.tidy()
    store.close()
    assert _names(store) == [layer]


def test_what_was_set_aside_by_many_threads_is_deleted_once(store: LayerStore) -> None:
    def make(_: int) -> LayerId:
        active = store.begin()
        Path(active.work, "work/incompat/volatile").mkdir(parents=True)
        return store.commit(active)

    with ThreadPoolExecutor(8) as pool:
        layers = list(pool.map(make, range(40)))
        list(pool.map(lambda _: store.tidy(), range(8)))
    store.close()
    assert _names(store) == sorted(layers)
    make(0)  # a store goes on after that
    store.close()


def test_a_state_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make a layer in .*: Not a directory"):
        LayerStore(tmp_path / "file", userxattr=False).begin()


def test_a_sweep_takes_what_dead_processes_left_and_nothing_else(store: LayerStore) -> None:
    committed = store.commit(store.begin())
    ours = store.begin()
    code = f"""
import os, sys
from pathlib import Path
from llbuild.worker.snapshot import LayerStore
active = LayerStore(Path({os.fspath(Path(store.folder(committed)).parents[2])!r}), userxattr=False).begin()
Path(active.fs, "f").touch()
print(active.key, flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".typing")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    theirs = child.stdout.readline().strip()
    assert store.sweep() == 0
    assert _names(store) == sorted([committed, ours.key, theirs])
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert store.sweep() == 1
    assert _names(store) == sorted([committed, ours.key])


def test_a_process_that_has_the_number_of_a_dead_one_does_not_save_its_layers(store: LayerStore) -> None:
    active = store.begin()
    _, pid, started, random = active.key.split("-")
    folder = Path(active.fs).parent
    folder.rename(folder.parent / f"tmp-{pid}-{int(started) + 1}-{random}")
    assert store.sweep() == 1


def test_sweeping_a_store_that_was_never_used_does_nothing(store: LayerStore) -> None:
    assert store.sweep() == 0


def test_a_fork_names_its_layers_after_itself(store: LayerStore) -> None:
    store.begin()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, store.begin().key.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as file:
        assert file.read().startswith(f"tmp-{pid}-")


@pytest.mark.parametrize("depth", [1, 99, 100, 101, 350])
def test_layers_of_any_depth_are_removed(store: LayerStore, depth: int) -> None:
    active = store.begin()
    handle = os.open(active.fs, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("n" * 30, dir_fd=handle)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
        inner = os.open("n" * 30, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    store.discard(active)
    assert _names(store) == []


def test_removing_follows_no_link(store: LayerStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f").touch()
    active = store.begin()
    Path(active.fs, "l").symlink_to(tmp_path / "outside")
    Path(active.fs, "d").mkdir()
    Path(active.fs, "d/l").symlink_to(tmp_path / "outside/f")
    store.discard(active)
    assert (tmp_path / "outside/f").exists()
