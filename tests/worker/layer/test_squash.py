"""Several layers as one: on any base, the stack shows the same."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.tests.worker.layer.trees import extract, look, pack
from llbuild.worker.layer import Compression, pack_squashed, tree_to_folder
from llbuild.worker.snapshot import MergedTree

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPAQUE = "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque"
_FILE, _FOLDER, _OPAQUE_FOLDER, _DELETED = "file", "folder", "opaque", "deleted"


def grow(layer: Path, entries: Sequence[tuple[str, str]]) -> Path:
    """A layer folder in overlay form; what does not fit what is there already is left out."""
    layer.mkdir()
    for number, (path, kind) in enumerate(entries):
        place = layer / path
        if not place.parent.is_dir() or os.path.lexists(place):
            continue
        if kind == _FILE:
            place.write_text(f"{layer.name} {number}")
        elif kind == _DELETED:
            os.mknod(place, stat.S_IFCHR)
        else:
            place.mkdir()
            if kind == _OPAQUE_FOLDER:
                os.setxattr(place, _OPAQUE, b"y")
        if kind != _DELETED:
            os.utime(place, (1000 + number, 1000 + number))
    return layer


def merged(folders: Sequence[Path]) -> MergedTree:
    return MergedTree([str(folder) for folder in folders], userxattr=os.geteuid() != 0)


def squash(base: Sequence[Path], new: Sequence[Path]) -> bytes:
    blob = io.BytesIO()
    pack_squashed([str(folder) for folder in new], merged(base), blob.write, Compression.NONE)
    return blob.getvalue()


def names(blob: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
        return archive.getnames()


def test_what_came_and_went_leaves_no_trace(tmp_path: Path) -> None:
    base = grow(tmp_path / "base", [("kept", _FILE), ("gone", _FILE)])
    one = grow(tmp_path / "one", [("new", _FILE), ("temporary", _FILE), ("folder", _FOLDER), ("folder/a", _FILE)])
    two = grow(tmp_path / "two", [("temporary", _DELETED), ("gone", _DELETED), ("folder", _DELETED)])
    assert names(squash([base], [one, two])) == [".wh.gone", "new"]


def test_a_folder_in_place_of_a_deleted_one_hides_the_bases(tmp_path: Path) -> None:
    base = grow(tmp_path / "base", [("folder", _FOLDER), ("folder/old", _FILE)])
    one = grow(tmp_path / "one", [("folder", _DELETED)])
    two = grow(tmp_path / "two", [("folder", _FOLDER), ("folder/new", _FILE)])
    assert names(squash([base], [one, two])) == ["folder", "folder/.wh..wh..opq", "folder/new"]
    assert names(squash([], [one, two])) == ["folder", "folder/new"]


def test_hard_links_stay_while_both_names_show(tmp_path: Path) -> None:
    one = grow(tmp_path / "one", [("a", _FILE)])
    os.link(one / "a", one / "b")
    two = grow(tmp_path / "two", [("c", _FILE)])
    with tarfile.open(fileobj=io.BytesIO(squash([], [one, two]))) as archive:
        assert [(member.name, member.linkname) for member in archive] == [("a", ""), ("b", "a"), ("c", "")]
    three = grow(tmp_path / "three", [("a", _DELETED)])
    with tarfile.open(fileobj=io.BytesIO(squash([], [one, two, three]))) as archive:
        assert [(member.name, member.isreg()) for member in archive] == [("b", True), ("c", True)]


def test_one_layer_is_packed_as_it_always_is(tmp_path: Path) -> None:
    entries = [("a", _FILE), ("b", _FOLDER), ("b/c", _FILE), ("d", _OPAQUE_FOLDER), ("e", _DELETED)]
    base = grow(tmp_path / "base", [("d", _FOLDER), ("e", _FILE)])
    layer = grow(tmp_path / "layer", entries)
    os.symlink("a", layer / "link")
    assert squash([base], [layer]) == pack(layer, Compression.NONE)[0]


_PATHS = ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "a/a/b"]
_ENTRIES = st.lists(
    st.tuples(st.sampled_from(_PATHS), st.sampled_from([_FILE, _FOLDER, _FOLDER, _OPAQUE_FOLDER, _DELETED])), max_size=8
).map(lambda entries: sorted(entries, key=lambda entry: entry[0].count("/")))
_BASE = st.lists(st.tuples(st.sampled_from(_PATHS), st.sampled_from([_FILE, _FOLDER])), max_size=8).map(
    lambda entries: sorted(entries, key=lambda entry: entry[0].count("/"))
)


@settings(max_examples=40, deadline=None)
@given(base=_BASE, new=st.lists(_ENTRIES, min_size=1, max_size=3))
def test_the_stack_shows_the_same_as_with_all_its_layers(
    base: list[tuple[str, str]], new: list[list[tuple[str, str]]]
) -> None:
    top = Path(tempfile.mkdtemp())
    try:
        below = [grow(top / "base", base)]
        layers = [grow(top / f"layer{number}", entries) for number, entries in enumerate(new)]
        extract(squash(below, layers), top / "squashed")
        tree_to_folder(merged([*below, *layers]), str(top / "want"))
        tree_to_folder(MergedTree([str(below[0]), str(top / "squashed")], userxattr=False), str(top / "seen"))
        assert look(top / "seen") == look(top / "want")
    finally:
        shutil.rmtree(top)
