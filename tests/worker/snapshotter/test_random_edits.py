"""Random trees, random edits in a view of them: whichever snapshotter, the layer says exactly what changed.

To our own reading, to the kernel, to what the packed layer unpacks to, and to umoci. As root, and once more in a user
namespace, where layers have their marks in other attributes, and there are neither owners nor devices.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from llbuild.tests.ordinary import NOBODY, python_for, run_pytest
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.worker.layer.trees import CHILDREN, Ideas, grow, pack
from llbuild.tests.worker.snapshotter.edits import EDITS, edit, plain, read, shortened, told, without
from llbuild.worker.executor.host import Host
from llbuild.worker.executor.mounts import overlay
from llbuild.worker.idmap import in_user_namespace
from llbuild.worker.layer import extract_layer
from llbuild.worker.snapshot import LayerId, LayerStore, MergedTree
from llbuild.worker.snapshotter import NAMES, View, open_snapshotter, try_out
from llbuild.worker.userns import enter_user_namespace, needs_user_namespace, probe_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTER = "ENTER_USER_NAMESPACE"
if ENTER in os.environ and not in_user_namespace():
    enter_user_namespace()
INSIDE = in_user_namespace()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),  # files of a megabyte
    pytest.mark.skipif(needs_user_namespace(), reason="needs root; an ordinary user's turn is in a user namespace"),
]
SETTINGS = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = str(request.param)
    if name == "fuse-overlayfs":
        require_tool(name)
    if failure := try_out(name, str(tmp_path)):
        pytest.skip(f"the snapshotter {name} does not work here: {failure}")
    return name


@contextmanager
def shown(view: View) -> Iterator[Path]:
    """Where a process would see the view, as its root."""
    if view.folder:
        yield Path(view.folder)
    elif view.mount >= 0:
        yield Path(f"/proc/self/fd/{view.mount}")
    else:
        with mounted(view.layers, view) as root:
            yield root


@contextmanager
def mounted(layers: tuple[str, ...], view: View | None = None) -> Iterator[Path]:
    """The layers by the kernel's overlayfs, without a place in any mount namespace."""
    with tempfile.TemporaryDirectory() as empty:
        lowers = [os.fsencode(empty), *map(os.fsencode, layers)]
        upper = os.fsencode(view.active.fs) if view is not None and view.active else b""
        work = os.fsencode(view.active.work) if view is not None and view.active else b""
        stage = os.fsencode(empty)
        mount = overlay(lowers, upper, work, host=Host(stage, stage))
        try:
            yield Path(f"/proc/self/fd/{mount}")
        finally:
            os.close(mount)


@SETTINGS
@given(base=CHILDREN, added=CHILDREN, edits=EDITS)
def test_the_layer_of_any_edits_shows_the_same_tree(
    kind: str, base: Ideas, added: Ideas, edits: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        layers, want = _built(Path(name), kind, base, added, edits)
        store = LayerStore(Path(name, "state"), userxattr=INSIDE)
        assert read(MergedTree(store.folders(layers), userxattr=INSIDE)) == want
        with mounted(store.folders(layers)) as root:
            assert told(root) == want
        # What an exporter packs and another machine unpacks
        again = store.begin()
        extract_layer(io.BytesIO(pack(store.folder(layers[-1]))[0]), again.fs, userxattr=INSIDE)
        folders = (*store.folders(layers[:-1]), again.fs)
        assert whole(read(MergedTree(folders, userxattr=INSIDE))) == whole(want)
        with mounted(folders) as root:
            assert whole(told(root)) == whole(want)


def whole(seen: dict[str, Any]) -> dict[str, Any]:
    """With times as layers have them: in whole seconds, as containerd and so BuildKit write them."""
    return {path: {**facts, "mtime_ns": facts["mtime_ns"] // 10**9} for path, facts in seen.items()}


@pytest.mark.skipif(INSIDE, reason="umoci gives files their owners, of which there is one here")
@SETTINGS
@given(base=CHILDREN, added=CHILDREN, edits=EDITS)
def test_umoci_applies_the_layers_to_the_same_tree(
    kind: str, base: Ideas, added: Ideas, edits: list[tuple[str, int]]
) -> None:
    require_tool("umoci")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layers, want = _built(folder, kind, base, added, edits)
        store = LayerStore(folder / "state", userxattr=INSIDE)
        run_tool(["umoci", "init", "--layout", folder / "layout"])
        run_tool(["umoci", "new", "--image", f"{folder}/layout:test"])
        for layer in layers:
            (folder / "layer.tar").write_bytes(gzip.decompress(pack(store.folder(layer))[0]))
            run_tool(["umoci", "raw", "add-layer", "--image", f"{folder}/layout:test", folder / "layer.tar"])
        run_tool(["umoci", "raw", "unpack", "--image", f"{folder}/layout:test", folder / "umoci"])
        assert _as_umoci(told(folder / "umoci")) == _as_umoci(want)


def _built(
    folder: Path, kind: str, base: Ideas, added: Ideas, edits: list[tuple[str, int]]
) -> tuple[tuple[LayerId, ...], dict[str, Any]]:
    """A base layer and one of edits on it, and what was to be seen at the end of these."""
    if kind == "fuse-overlayfs":
        # It keeps room for ".wh.", opens devices, which need not be there, and of two links of a file below, a process
        # sees both change while the layer has but the one that was written.
        base, added = shortened(without(base, "links"), 251), shortened(without(added), 250)
    else:
        added = shortened(added, 254)
    store = LayerStore(folder / "state", userxattr=INSIDE)
    lower = store.begin()
    grow(lower.fs, plain(base) if INSIDE else base, overlay=False)
    layers = (store.commit(lower),)
    snapshotter = open_snapshotter(kind, store)
    view = snapshotter.prepare(store.folders(layers), writable=True)
    try:
        with shown(view) as root:
            new = {f"+{child}": idea for child, idea in added.items()}
            grow(str(root), plain(new) if INSIDE else new, overlay=False)
            for action, number in edits:
                edit(root, action, number)
            want = told(root)
        return (*layers, snapshotter.commit(view)), want
    finally:
        snapshotter.discard(view)
        snapshotter.close()
        store.close()
        left = [name for name in os.listdir(folder / "state/snapshots") if name.startswith("tmp-")]
        assert left == [], left


def _as_umoci(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what Go's reader of tars cannot say: empty attributes, and names of attributes with "=" in them."""
    return {
        path: {**facts, "xattrs": [pair for pair in facts["xattrs"] if pair[0] == "user.note"]}
        for path, facts in whole(seen).items()
    }


@pytest.mark.skipif(INSIDE, reason="started by this very test")
@pytest.mark.parametrize("ids", ["one", "as root"])
def test_it_is_so_in_a_user_namespace(ids: str) -> None:
    """ids: of an ordinary user; or root's only, who may open /dev/fuse where nobody else may."""
    command = (sys.executable,) if ids == "as root" else python_for(NOBODY, ids)
    refused = probe_namespaces() if os.geteuid() else None
    if refused:
        pytest.skip(f"{refused.message}; {refused.hint}")
    base = Path(tempfile.mkdtemp(prefix="llbuild-tests-"))
    base.chmod(0o777)
    try:
        words = ["-n0", "--basetemp", f"{base}/tmp", str(Path(__file__))]
        env = {ENTER: "1", "TMPDIR": str(base), "HYPOTHESIS_STORAGE_DIRECTORY": f"{base}/ideas"}
        assert " passed" in run_pytest(command, words, env)
    finally:
        shutil.rmtree(base, ignore_errors=True)
