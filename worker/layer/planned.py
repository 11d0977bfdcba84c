"""A copy straight into a layer's blob: the layer is planned first, then read from where its files are and packed.

What is packed is what would be packed of the layer's folder, had the copy made one: the same members in the same order.
What takes more than making new things beside and over what is there is not planned: `NotPlanned`.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from ...errors import StoreError
from ..idmap import id_map, in_user_namespace
from ..snapshot import CopyPlan, changed, own_xattrs
from . import member as kinds
from .blobwriter import BlobWriter
from .compression import Compression
from .member import Member
from .pack import finish_layer
from .tarstream import TarStream
from .treewalk import WHITEOUT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from ..snapshot import CopySettings, MergedTree, Tree
    from ..snapshot.tree import Directory
    from .blobwriter import Sink
    from .pack import PackedLayer

    Links: TypeAlias = dict[tuple[int, int, int], bytes]  # by source, device and inode: the first name

__all__ = ["NotPlanned", "PlannedCopy", "PlannedLayer"]

_WHITEOUT = os.fsdecode(WHITEOUT_PREFIX)
_MOST_MEMBERS = 200_000  # each takes some 600 bytes of memory
_KEPT_OPEN = 32
_FOLDER = os.stat_result((stat.S_IFDIR | 0o755, *(0,) * 9))


class NotPlanned(Exception):  # noqa: N818  not an error: the layer is to be made as a folder
    """This copy cannot be packed without a folder."""


class _Planned:
    """A member to be. `source`: where its content is to be read, for files of this tree."""

    __slots__ = ("copy", "found", "link", "mode", "mtime_ns", "owner", "source", "tree", "xattrs")

    def __init__(self, found: os.stat_result, owner: tuple[int, int], mode: int, mtime_ns: int) -> None:
        self.found = found
        self.owner = owner
        self.mode = mode
        self.mtime_ns = mtime_ns
        self.xattrs: Mapping[str, bytes] = {}
        self.link = ""
        self.copy: object = None  # files that one source has under several names are one file in the layer too
        self.tree: Tree | None = None
        self.source = ""


class PlannedLayer:
    """A `CopyTarget` that remembers what would be in the layer. Belongs to one thread."""

    owners = True

    def __init__(self, base: MergedTree) -> None:
        self._base = base
        self._members: dict[str, _Planned] = {}
        self._now_ns = time.time_ns()
        # Owners and attributes that a folder cannot have here would be lost as soon as the layer is unpacked.
        self._ids = [id_map(kind) for kind in ("uid", "gid")]
        self._any_xattrs = not in_user_namespace()
        self._fitting: set[tuple[int, int]] = set()  # owners that can be had
        self._alone: set[str] = set()  # folders of this layer with nothing below

    def stat(self, path: str) -> os.stat_result | None:
        planned = self._members.get(path)
        if planned is not None and planned.link:
            raise NotPlanned  # somebody wants to go through it
        return self._base.stat(path) if planned is None else planned.found

    def directory(self, path: str) -> Directory:
        """As the base has it: asked of what is a link there, which is on the way to something else."""
        return self._base.directory(path)

    def make_folder(self, path: str, *, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> bool:
        if not path or path in self._members:
            return self._is_there(path)
        above = path.rpartition("/")[0]
        if above and above not in self._members:
            self.make_folder(above)
        below = None if above in self._alone else self._base.stat(path)
        if below is None:
            self._put(path, _Planned(_FOLDER, owner, mode, self._now_ns))
            self._alone.add(path)
            return True
        if not stat.S_ISDIR(below.st_mode):
            raise NotPlanned
        with self._base.directory(path) as folder:
            xattrs = folder.xattrs("")
        # Something is put into it, which makes it younger.
        copied = _Planned(below, (below.st_uid, below.st_gid), stat.S_IMODE(below.st_mode), self._now_ns)
        copied.xattrs = xattrs
        self._put(path, copied)
        return False

    def set_times(self, path: str, times: tuple[int, int]) -> None:
        if path:
            self._members[path].mtime_ns = times[1]

    def set_mode(self, path: str, mode: int) -> None:
        if path:
            self._members[path].mode = mode

    def dress(self, path: str, owner: tuple[int, int], mode: int, xattrs: Mapping[str, bytes]) -> None:
        """Give a folder that is planned its metadata."""
        if not path:
            return
        folder = self._members[path]
        folder.owner, folder.mode, folder.xattrs = owner, mode, xattrs
        self._check(folder)

    def remove(self, path: str) -> None:  # noqa: ARG002  Protocol
        raise NotPlanned

    def add(self, path: str, planned: _Planned) -> None:
        """Put something that is no folder at the path."""
        above = path.rpartition("/")[0]
        if above and above not in self._members:
            self.make_folder(above)
        there = self._members.get(path)
        if there is not None or above not in self._alone:
            below = self._base.stat(path) if there is None else there.found
            if not path or (below is not None and stat.S_ISDIR(below.st_mode)):
                raise NotPlanned
        self._put(path, planned)

    def pack(self, sink: Sink, compression: Compression = Compression.GZIP) -> PackedLayer:
        """Write the layer as a blob, reading the files now. Raises SourceError for one that is another by now."""
        with BlobWriter(sink, compression) as blob, _Reader() as reader:
            tar = TarStream(blob.write)
            links: Links = {}
            # As folders are walked: a folder, what is in it, then what is beside it.
            for path in sorted(self._members, key=lambda path: path.replace("/", "\0")):
                _write(tar, path, self._members[path], links, reader, any_xattrs=self._any_xattrs)
            tar.end()
            return finish_layer(blob, compression)

    def _is_there(self, path: str) -> bool:
        if path and not stat.S_ISDIR(self._members[path].found.st_mode):
            raise NotPlanned
        return False

    def _put(self, path: str, planned: _Planned) -> None:
        if len(self._members) >= _MOST_MEMBERS or path.rpartition("/")[2].startswith(_WHITEOUT):
            raise NotPlanned
        self._check(planned)
        self._members[path] = planned

    def _check(self, planned: _Planned) -> None:
        if planned.xattrs and not self._any_xattrs:
            raise NotPlanned
        if planned.owner in self._fitting:
            return
        for number, ranges in zip(planned.owner, self._ids, strict=True):
            if not any(inside <= number < inside + count for inside, _, count in ranges):
                raise NotPlanned
        self._fitting.add(planned.owner)


class PlannedCopy(CopyPlan):
    """One source on its way into a planned layer."""

    def __init__(self, tree: Tree, layer: PlannedLayer, settings: CopySettings) -> None:
        super().__init__(tree, layer, settings)
        self._layer = layer

    def add(self, folder: Directory, path: str, name: str, found: os.stat_result, target: str) -> None:
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFSOCK:
            return
        if kind not in (stat.S_IFREG, stat.S_IFLNK):
            raise NotPlanned
        planned = _Planned(found, self.owner_of(found), self.mode_of(found), self.times(found)[1])
        planned.copy = self
        if kind == stat.S_IFLNK:
            planned.mode = 0o777
            planned.link = folder.readlink(name)
        else:
            planned.tree, planned.source = self._tree, path
        self._layer.add(target, planned)

    def dress(self, folder: Directory, name: str, found: os.stat_result, target: str) -> None:
        self._layer.dress(target, self.owner_of(found), self.mode_of(found), folder.xattrs(name))


class _Reader(ExitStack):
    """Opens files of trees, with the last few of their folders kept open."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[tuple[int, str], Directory] = {}

    def open(self, tree: Tree, path: str) -> int:
        parent, _, name = path.rpartition("/")
        key = (id(tree), parent)
        folder = self._open.get(key)
        if folder is None:
            if len(self._open) >= _KEPT_OPEN:
                self.close()
                self._open.clear()
            folder = self._open[key] = self.enter_context(tree.directory(parent))
        return folder.open(name)


def _write(tar: TarStream, path: str, planned: _Planned, links: Links, reader: _Reader, *, any_xattrs: bool) -> None:
    name, found = os.fsencode(path), planned.found
    if planned.tree is not None and found.st_nlink > 1:
        first = links.setdefault((id(planned.copy), found.st_dev, found.st_ino), name)
        if first is not name:
            tar.add(Member(name, kinds.HARD_LINK, planned.mode, *planned.owner, planned.mtime_ns, link=first))
            return
    if planned.tree is not None:
        _write_file(tar, name, planned, reader, any_xattrs=any_xattrs)
    elif planned.link:
        link = os.fsencode(planned.link)
        tar.add(Member(name, kinds.SYMLINK, planned.mode, *planned.owner, planned.mtime_ns, link=link))
    else:
        xattrs = _encoded(planned.xattrs)
        tar.add(Member(name, kinds.DIRECTORY, planned.mode, *planned.owner, planned.mtime_ns, xattrs=xattrs))


def _write_file(tar: TarStream, name: bytes, planned: _Planned, reader: _Reader, *, any_xattrs: bool) -> None:
    assert planned.tree is not None
    found = planned.found
    size = found.st_size
    source = reader.open(planned.tree, planned.source)
    try:
        xattrs = own_xattrs(source)
        if xattrs and not any_xattrs:
            raise NotPlanned
        encoded = _encoded(xattrs) if xattrs else ()
        uid, gid = planned.owner
        member = Member(name, kinds.FILE, planned.mode, uid, gid, planned.mtime_ns, size, xattrs=encoded)
        try:
            tar.add_file(member, partial(os.read, source))
        except StoreError:
            raise changed(os.fsdecode(name)) from None
        now = os.fstat(source)
        if (
            now.st_mtime_ns != found.st_mtime_ns
            or now.st_ctime_ns != found.st_ctime_ns
            or now.st_size != size
            or now.st_ino != found.st_ino
            or now.st_mode != found.st_mode
        ):
            raise changed(os.fsdecode(name))
    finally:
        os.close(source)


def _encoded(xattrs: Mapping[str, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((os.fsencode(name), xattrs[name]) for name in sorted(xattrs))
