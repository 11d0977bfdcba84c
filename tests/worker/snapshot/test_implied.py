"""Layers of images without members for the folders they pass through: what lies below says what these are."""

from __future__ import annotations

import gzip
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import sha256_digest
from llbuild.tests.tools import require_tool, run_tool
from llbuild.tests.worker.layer.tars import entry, folder, symlink, tar
from llbuild.tests.worker.snapshot.trees import IS_ROOT, Bench
from llbuild.worker.layer import extract_layer
from llbuild.worker.snapshot import LayerId, Snapshot

if TYPE_CHECKING:
    from llbuild.tests.worker.layer.tars import Entry


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def unpack(bench: Bench, *members: Entry) -> LayerId:
    """A layer as it comes with an image."""
    blob = tar(*members)
    active = bench.store.begin()
    extracted = extract_layer(io.BytesIO(blob), active.fs, userxattr=bench.store.userxattr)
    bench.store.note_implied(active, extracted.implied)
    return bench.store.commit(active, LayerId("sha256-" + sha256_digest(blob).hex))


def test_a_folder_without_a_member_keeps_what_the_base_has(bench: Bench) -> None:
    base = unpack(bench, folder("tmp", mode=0o1777, mtime=77), folder("tmp/own", mode=0o700, mtime=78))
    upper = unpack(bench, entry("tmp/own/file", content=b"x", mtime=5))
    assert bench.show(Snapshot((base, upper))) == {"tmp/": "1777", "tmp/own/": "700", "tmp/own/file": "644 x"}
    found = bench.tree(Snapshot((base, upper))).stat("tmp/own")
    assert found is not None
    assert found.st_mtime_ns == 78 * 10**9


@pytest.mark.needs_root
def test_owners_and_attributes_of_the_base_are_kept_too(bench: Bench) -> None:
    base = unpack(bench, folder("home", uid=7, gid=8, pax_headers={"SCHILY.xattr.user.note": "hi"}))
    upper = unpack(bench, entry("home/.wh.gone"), entry("home/a/b"))
    tree = bench.tree(Snapshot((base, upper)))
    found = tree.stat("home")
    assert found is not None
    assert (found.st_uid, found.st_gid) == (7, 8)
    with tree.directory("home") as home:
        assert home.xattrs("") == {"user.note": b"hi"}
    inner = tree.stat("home/a")  # the base has none: the usual mode
    assert inner is not None
    assert stat.S_IMODE(inner.st_mode) == 0o755


def test_what_the_layer_says_itself_is_left_alone(bench: Bench) -> None:
    base = unpack(bench, folder("a", mode=0o700), folder("a/b", mode=0o700), folder("c", mode=0o700))
    upper = unpack(bench, entry("a/b/f"), folder("a", mode=0o711), entry("c/.wh..wh..opq"), folder("c", mode=0o750))
    shown = bench.show(Snapshot((base, upper)))
    assert (shown["a/"], shown["a/b/"], shown["c/"]) == ("711", "700", "750")
    again = unpack(bench, entry("c/.wh..wh..opq"), entry("c/d/f"))
    assert bench.show(Snapshot((base, again)))["c/"] == "755"  # it hides the one below, with its mode


def test_a_layer_lies_on_several_stacks_at_once(bench: Bench) -> None:
    upper = unpack(bench, entry("d/f"))
    bases = [unpack(bench, folder("d", mode=mode)) for mode in (0o700, 0o711)]
    for base, mode in zip(bases, ("700", "711"), strict=True):
        assert bench.show(Snapshot((base, upper)))["d/"] == mode
        assert bench.show(Snapshot((base, bases[1], upper)))["d/"] == "711"
    assert bench.show(Snapshot((upper,)))["d/"] == "755"
    assert bench.show(Snapshot((bases[0], upper, bases[1])))["d/"] == "711"


def test_a_folder_that_is_a_link_below_is_filled_where_that_leads(bench: Bench) -> None:
    base = unpack(
        bench,
        *(folder("usr"), folder("usr/lib", mode=0o700), folder("usr/lib/deep"), entry("usr/lib/old")),
        *(symlink("lib", "usr/lib"), symlink("usr/lib/side", "deep")),
    )
    upper = unpack(
        bench,
        *(entry("lib/new", content=b"n"), entry("lib/.wh.old"), entry("lib/side/inner", content=b"i")),
        *(folder("lib/own", mode=0o711), entry("lib/own/f"), symlink("lib/l", "new")),
    )
    shown = bench.show(Snapshot((base, upper)))
    assert shown == {
        "lib": "-> usr/lib",
        "usr/": "755",
        "usr/lib/": "700",
        "usr/lib/deep/": "755",
        "usr/lib/deep/inner": "644 i",
        "usr/lib/l": "-> new",
        "usr/lib/new": "644 n",
        "usr/lib/own/": "711",
        "usr/lib/own/f": "644 ",
        "usr/lib/side": "-> deep",
    }


def test_a_link_out_of_the_image_stays_in_it(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    base = unpack(bench, folder("etc"), symlink("a", "../../../../../etc"), symlink("b", str(tmp_path / "outside")))
    upper = unpack(bench, entry("a/x", content=b"x"), entry("b/y", content=b"y"))
    shown = bench.show(Snapshot((base, upper)))
    assert shown["etc/x"] == "644 x"
    assert shown["b/y"] == "644 y"  # a link to what the image does not have is no folder of it: replaced, as before
    assert not list((tmp_path / "outside").iterdir())


def test_a_hundred_such_layers_lie_on_each_other_and_are_deleted_with_all_they_have(bench: Bench) -> None:
    base = unpack(bench, folder("d", mode=0o700))
    layers = [base, *(unpack(bench, entry(f"d/{number}")) for number in range(100))]
    assert bench.show(Snapshot(tuple(layers)))["d/"] == "700"
    for layer in layers:
        bench.store.remove(layer)
    assert bench.names() == []


@pytest.mark.needs_root
def test_a_run_and_a_copy_see_the_same(bench: Bench) -> None:
    """The kernel's view of the folders is the one of our own reading."""
    base = unpack(bench, folder("tmp", mode=0o1777), folder("usr"), folder("usr/bin"), symlink("bin", "usr/bin"))
    upper = unpack(bench, entry("tmp/x"), entry("bin/tool", content=b"#!"))
    folders = bench.store.folders((base, upper))
    assert len(folders) == 3
    place = bench.folder / "mounted"
    place.mkdir()
    run_tool(["mount", "-t", "overlay", "-o", f"lowerdir={':'.join(reversed(folders))}", "overlay", place])
    try:
        assert stat.S_IMODE(os.stat(place / "tmp").st_mode) == 0o1777
        assert Path(place, "bin").is_symlink()
        assert Path(place, "usr/bin/tool").read_bytes() == b"#!"
    finally:
        run_tool(["umount", place])


@pytest.mark.skipif(not IS_ROOT, reason="needs root: umoci gives files their owners")
def test_umoci_unpacks_to_the_same_tree(bench: Bench, tmp_path: Path) -> None:
    require_tool("umoci")
    blobs = [
        tar(folder("tmp", mode=0o1777, mtime=9), folder("opt", uid=3, gid=4, mtime=9), entry("opt/gone")),
        tar(entry("tmp/a/b", content=b"1", mtime=9), entry("opt/.wh.gone"), entry("opt/c", mtime=9)),
    ]
    image = f"{tmp_path}/layout:test"
    run_tool(["umoci", "init", "--layout", f"{tmp_path}/layout"])
    run_tool(["umoci", "new", "--image", image])
    layers = []
    for number, blob in enumerate(blobs):
        (tmp_path / "layer.tar").write_bytes(blob)
        run_tool(["umoci", "raw", "add-layer", "--image", image, tmp_path / "layer.tar"])
        active = bench.store.begin()
        extracted = extract_layer(io.BytesIO(gzip.compress(blob)), active.fs, userxattr=False)
        bench.store.note_implied(active, extracted.implied)
        layers.append(bench.store.commit(active, LayerId(f"sha256-{number:064d}")))
    run_tool(["umoci", "raw", "unpack", "--image", image, tmp_path / "umoci"])
    tree = bench.tree(Snapshot(tuple(layers)))
    for top, folders, files in os.walk(tmp_path / "umoci"):
        for name in (*folders, *files):
            want = os.lstat(f"{top}/{name}")
            found = tree.stat(os.path.relpath(f"{top}/{name}", tmp_path / "umoci"))
            assert found is not None
            assert (found.st_mode, found.st_uid, found.st_gid) == (want.st_mode, want.st_uid, want.st_gid)
