"""File trees for the tests of snapshots and file ops: made from a few words, and told in a few words.

{"a": "content", "d/": "750", "l": "-> a", "h": "= a"}    a file, a folder and its mode, a link, a hard link
{"a": "644 content"} is what `show` says of the first.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from llbuild.errors import LlbuildError
from llbuild.llb import FileCopy, FileOp, FileStep
from llbuild.worker.fileop import run_file_op
from llbuild.worker.filepack import plan_file_op
from llbuild.worker.layer import Compression, NotPlanned, pack_layer
from llbuild.worker.snapshot import FolderTree, LayerStore, MergedTree, Snapshot, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llbuild.llb import FileAction
    from llbuild.worker.snapshot import LayerId, Tree

IS_ROOT = os.geteuid() == 0
OLD_S = 1_500_000_000  # when everything `grow` makes was last changed


def grow(folder: Path, spec: Mapping[str, str]) -> Path:
    """Make the files of a spec. Folders come before what is in them, or are made with mode 755."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in spec.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir(exist_ok=True)
            place.chmod(int(text or "755", 8))
        elif text.startswith("-> "):
            place.symlink_to(text[3:])
        elif text.startswith("= "):
            os.link(folder / text[2:], place)
        else:
            place.write_text(text, errors="surrogateescape")
            place.chmod(0o644)
    for top, _, files in os.walk(folder, topdown=False):
        for name in files:
            os.utime(f"{top}/{name}", (OLD_S, OLD_S), follow_symlinks=False)
        os.utime(top, (OLD_S, OLD_S))
    return folder


def replace(place: Path, text: str) -> None:
    """Another file of that name."""
    place.unlink()
    place.write_text(text)


def relink(place: Path, target: str) -> None:
    place.unlink()
    place.symlink_to(target)


def refifo(place: Path) -> None:
    place.unlink()
    os.mkfifo(place, 0o644)


def swap_for_link(folder: Path) -> None:
    """Move the folder aside and leave a link to it in its place."""
    moved = folder.rename(folder.with_name("moved"))
    folder.symlink_to(moved.name)


def show(tree: Tree) -> dict[str, str]:
    """Everything in a tree, by path; folders end in "/". Owners are told when they are not 0:0 (and we are root)."""
    shown: dict[str, str] = {}
    for visit in walk(tree, ""):
        mode = visit.stat.st_mode
        text = f"{stat.S_IMODE(mode):o}"
        path = visit.path
        if stat.S_ISDIR(mode):
            path += "/"
        elif stat.S_ISLNK(mode):
            text = "-> " + visit.folder.readlink(visit.name)
        elif stat.S_ISREG(mode):
            handle = visit.folder.open(visit.name)
            with os.fdopen(handle, errors="surrogateescape") as file:
                text += " " + file.read()
        else:
            text = stat.filemode(mode) + f" {os.major(visit.stat.st_rdev)},{os.minor(visit.stat.st_rdev)}"
        owner = f"{visit.stat.st_uid}:{visit.stat.st_gid}"
        if tree.owners and IS_ROOT and owner != "0:0":
            text += " of " + owner
        shown[path] = text
    return shown


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What is new or different, and, as None, what is gone."""
    gone = dict.fromkeys(before.keys() - after.keys())
    return {**{path: text for path, text in after.items() if before.get(path) != text}, **gone}


class Bench:
    """A layer store, and file ops on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LayerStore(folder / "state", userxattr=not IS_ROOT)
        self._count = 0

    def layer(self, spec: Mapping[str, str], *, owners: Mapping[str, tuple[int, int]] | None = None) -> LayerId:
        """A layer of these files; {"name": "whiteout"} is one."""
        active = self.store.begin()
        grow(Path(active.fs), {path: text for path, text in spec.items() if text != "whiteout"})
        for path, text in spec.items():
            if text == "whiteout":
                (Path(active.fs) / path).parent.mkdir(parents=True, exist_ok=True)
                os.mknod(f"{active.fs}/{path}", stat.S_IFCHR, 0)
        for path, owner in (owners or {}).items():
            os.chown(f"{active.fs}/{path}", *owner, follow_symlinks=False)
        return self.store.commit(active)

    def hide_below(self, layer: LayerId, path: str) -> None:
        """Make a folder of a layer opaque."""
        os.setxattr(f"{self.store.folder(layer)}/{path}", f"{'trusted' if IS_ROOT else 'user'}.overlay.opaque", b"y")

    def context(self, spec: Mapping[str, str], *excludes: str) -> FolderTree:
        self._count += 1
        return FolderTree(str(grow(self.folder / f"context{self._count}", spec)), excludes=excludes)

    def tree(self, snapshot: Snapshot) -> MergedTree:
        return self.store.tree(snapshot.layers)

    def show(self, snapshot: Snapshot) -> dict[str, str]:
        return show(self.tree(snapshot))

    def run(
        self,
        base: Snapshot,
        *actions: FileAction,
        source: Snapshot | FolderTree | None = None,
        how: Callable[[FileOp, Sequence[Snapshot | FolderTree], LayerStore], Snapshot] | None = None,
    ) -> Snapshot:
        """The actions one after the other, as one op: the result. how: None: `run_both_ways`."""
        inputs: list[Snapshot | FolderTree] = [base, Snapshot() if source is None else source]
        steps = [
            FileStep(
                action=action,
                input=0 if number == 0 else len(inputs) + number - 1,
                secondary_input=1,
                output=0 if number == len(actions) - 1 else -1,
            )
            for number, action in enumerate(actions)
        ]
        return (how or run_both_ways)(FileOp(steps=tuple(steps)), inputs, self.store)

    def names(self) -> list[str]:
        """What is in the store's folder."""
        return sorted(path.name for path in (self.folder / "state" / "snapshots").iterdir())


def run_both_ways(op: FileOp, inputs: Sequence[Snapshot | FolderTree], store: LayerStore) -> Snapshot:
    """The op's result. What can be packed without a folder is too, and must be the same layer, or the same error."""
    try:
        planned = plan_file_op(op, inputs, store)
        told = None if planned is None else packed_members(planned[1].pack)
    except LlbuildError as error:
        with pytest.raises(type(error)) as raised:
            run_file_op(op, inputs, store)
        if raised.value.message != error.message:
            raise AssertionError(f"{raised.value.message!r}, and {error.message!r} when it is planned") from error
        raise
    except NotPlanned:
        told = None
    (snapshot,) = run_file_op(op, inputs, store)
    if told is not None and planned is not None:
        assert snapshot.layers[:-1] == planned[0].layers
        folder = store.folder(snapshot.layers[-1])
        assert told == packed_members(lambda sink: pack_layer(folder, sink, Compression.GZIP))
    return snapshot


def packed_members(pack: Callable[[Callable[[bytes | memoryview], object]], object]) -> list[tuple[object, ...]]:
    """All that a packed layer says of each member, in order; of times that are now's only that they are."""
    blob = io.BytesIO()
    pack(blob.write)
    blob.seek(0)
    with tarfile.open(fileobj=blob) as tar:
        return [_facts(tar, member) for member in tar]


def _facts(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    content = tar.extractfile(member) if member.isreg() else None
    xattrs = {key: text for key, text in member.pax_headers.items() if key.startswith("SCHILY.")}
    return (
        *(member.name, member.type, member.mode, member.uid, member.gid, member.linkname, xattrs),
        "now" if member.mtime > time.time() - 60 else member.mtime,
        b"" if content is None else content.read(),
    )


def copying(src: str, dest: str, **more: object) -> FileCopy:
    """A copy as COPY asks for it."""
    usual: dict[str, object] = {
        "follow_symlink": True,
        "dir_copy_contents": True,
        "create_dest_path": True,
        "allow_wildcard": True,
        "allow_empty_wildcard": True,
    }
    return FileCopy(src=src, dest=dest, **{**usual, **more})  # type: ignore[arg-type]
