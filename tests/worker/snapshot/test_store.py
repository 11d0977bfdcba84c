"""The store of layers: what is committed stays, what is not leaves nothing, whoever dies."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from llbuild.errors import NotFoundError, StoreError
from llbuild.worker.snapshot import LayerId, LayerStore

REPOSITORY = Path(__file__).resolve().parents[3]

BEGIN = """
import sys
from pathlib import Path
from llbuild.worker.snapshot import LayerStore
active = LayerStore(Path(sys.argv[1]), userxattr=False).begin()
Path(active.fs, "half").write_text("written")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path, userxattr=False)


def _names(store_folder: Path) -> list[str]:
    return sorted(path.name for path in (store_folder / "snapshots").iterdir())


def test_a_layer_is_there_when_it_is_committed_and_not_before(store: LayerStore) -> None:
    active = store.begin()
    assert (os.listdir(active.fs), os.listdir(active.work)) == ([], [])
    assert stat.S_IMODE(os.stat(active.fs).st_mode) == 0o755
    Path(active.fs, "f").write_text("x")
    layer = store.commit(active)
    assert layer.startswith("run-")
    assert store.has(layer)
    assert Path(store.folder(layer), "f").read_text() == "x"
    assert not Path(active.fs).exists()


def test_a_root_folder_is_made_with_its_mode_whatever_the_umask(store: LayerStore) -> None:
    before = os.umask(0o077)
    try:
        active = store.begin()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(active.fs).st_mode) == 0o755


def test_a_layer_committed_twice_under_one_name_is_the_first(store: LayerStore, tmp_path: Path) -> None:
    name = LayerId("sha256-" + "a" * 64)
    first, second = store.begin(), store.begin()
    Path(first.fs, "f").write_text("first")
    Path(second.fs, "f").write_text("second")
    assert store.commit(first, name) == name
    assert store.commit(second, name) == name
    assert Path(store.folder(name), "f").read_text() == "first"
    assert name in _names(tmp_path)
    assert not [left for left in _names(tmp_path) if left.startswith("tmp-")]


def test_a_discarded_layer_leaves_nothing_and_may_be_discarded_again(store: LayerStore, tmp_path: Path) -> None:
    active = store.begin()
    locked = Path(active.fs, "d", "e")
    locked.mkdir(parents=True)
    (locked / "f").write_text("x")
    locked.chmod(0)
    locked.parent.chmod(0o500)
    store.discard(active)
    store.discard(active)
    assert not [left for left in _names(tmp_path) if active.key in left]


def test_a_layer_can_be_removed_once(store: LayerStore, tmp_path: Path) -> None:
    layer = store.commit(store.begin())
    store.remove(layer)
    assert not store.has(layer)
    assert layer not in _names(tmp_path)
    with pytest.raises(NotFoundError, match=layer):
        store.remove(layer)


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    store = LayerStore(tmp_path, userxattr=False)
    mine = store.begin()
    kept = store.commit(store.begin())
    with _process(tmp_path) as living, _process(tmp_path) as dead:
        halves = set(tmp_path.glob("snapshots/tmp-*/fs/half"))
        assert len(halves) == 2
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        store.sweep()
        assert len(set(tmp_path.glob("snapshots/tmp-*/fs/half"))) == 1
        store.sweep()
        assert len(set(tmp_path.glob("snapshots/tmp-*/fs/half"))) == 1
        assert living.poll() is None
        living.kill()
    store.sweep()
    assert not set(tmp_path.glob("snapshots/tmp-*/fs/half"))
    assert Path(mine.fs).is_dir()
    assert store.has(kept)


def _process(root: Path) -> subprocess.Popen[bytes]:
    """Another process with a half-written layer."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / ".typing")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_store_that_was_never_used_can_be_swept(tmp_path: Path) -> None:
    LayerStore(tmp_path / "nothing", userxattr=False).sweep()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file in its place")
    with pytest.raises(StoreError, match="snapshots"):
        LayerStore(tmp_path, userxattr=False).begin()
