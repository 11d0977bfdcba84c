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

from ..idmap import id_map, in_user_namespace
from ..owners import remembering
from ..snapshot import CopyPlan, changed, own_xattrs
from . import member as kinds
from .blobwriter import BlobWriter
from .compression import Compression
from .member import Member
from .pack import finish_layer
from .tarstream import FileChangedError, TarStream
from .treewalk import WHITEOUT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from ..snapshot import CopySettings, MergedTree, Tree
    from ..snapshot.tree import Directory
    from .blobwriter import Sink
    from .pack import PackedLayer

    Owner: TypeAlias = tuple[int, int]  # uid, gid

__all__ = ["NotPlanned", "PlannedCopy", "PlannedLayer"]

_WHITEOUT = os.fsdecode(WHITEOUT_PREFIX)
_MOST_MEMBERS = 200_000  # each takes some 600 bytes of memory
_KEPT_OPEN = 32
_NEW_FOLDER = os.stat_result((stat.S_IFDIR | 0o755, *(0,) * 9))


class NotPlanned(Exception):  # noqa: N818  not an error: the layer is to be made as a folder
    """This copy cannot be packed without a folder."""


class _Folder:
    """A folder to be: a new one, or one of the base that something is put into."""

    __slots__ = ("found", "mode", "mtime_ns", "owner", "xattrs")

    def __init__(self, found: os.stat_result, owner: Owner, mode: int, mtime_ns: int) -> None:
        self.found = found
        self.owner = owner
        self.mode = mode
        self.mtime_ns = mtime_ns
        self.xattrs: Mapping[str, bytes] = {}

    def write(self, name: bytes, packing: _Packing) -> None:
        xattrs = _encoded(self.xattrs)
        packing.tar.add(Member(name, kinds.DIRECTORY, self.mode, *self.owner, self.mtime_ns, xattrs=xattrs))


class _Link:
    """A symbolic link to be."""

    __slots__ = ("_mtime_ns", "_owner", "_target", "found")

    def __init__(self, found: os.stat_result, owner: Owner, mtime_ns: int, target: str) -> None:
        self.found = found
        self._owner = owner
        self._mtime_ns = mtime_ns
        self._target = target

    def write(self, name: bytes, packing: _Packing) -> None:
        link = os.fsencode(self._target)
        packing.tar.add(Member(name, kinds.SYMLINK, 0o777, *self._owner, self._mtime_ns, link=link))


class _File:
    """A file to be, and where its content is to be read."""

    __slots__ = ("_copying", "_mode", "_mtime_ns", "_owner", "_source", "found")

    def __init__(
        self, copying: PlannedCopy, source: str, found: os.stat_result, owner: Owner, mode: int, mtime_ns: int
    ) -> None:
        self._copying = copying
        self._source = source
        self.found = found
        self._owner = owner
        self._mode = mode
        self._mtime_ns = mtime_ns

    def write(self, name: bytes, packing: _Packing) -> None:
        found = self.found
        if found.st_nlink > 1:  # one file under several names, as far as they come from the same source
            first = packing.links.setdefault((id(self._copying), found.st_dev, found.st_ino), name)
            if first is not name:
                packing.tar.add(Member(name, kinds.HARD_LINK, self._mode, *self._owner, self._mtime_ns, link=first))
                return
        source = packing.open(self._copying.tree, self._source)
        try:
            xattrs = own_xattrs(source)
            if xattrs and not packing.any_xattrs:
                raise NotPlanned
            uid, gid = self._owner
            encoded = _encoded(xattrs) if xattrs else ()
            size = found.st_size
            member = Member(name, kinds.FILE, self._mode, uid, gid, self._mtime_ns, size, xattrs=encoded)
            packing.tar.add_file(member, partial(os.read, source))
            now = os.fstat(source)
        except FileChangedError:
            raise changed(os.fsdecode(name)) from None
        finally:
            os.close(source)
        if (
            now.st_mtime_ns != found.st_mtime_ns
            or now.st_ctime_ns != found.st_ctime_ns
            or now.st_size != size
            or now.st_ino != found.st_ino
            or now.st_mode != found.st_mode
        ):
            raise changed(os.fsdecode(name))


class PlannedLayer:
    """A `CopyTarget` that remembers what would be in the layer. Belongs to one thread."""

    owners = True

    def __init__(self, base: MergedTree) -> None:
        self._base = base
        self._members: dict[str, _Folder | _Link | _File] = {}
        self._now_ns = time.time_ns()
        # Owners and attributes that a folder cannot have here would be lost as soon as the layer is unpacked.
        self._ids = None if remembering() else [id_map(kind) for kind in ("uid", "gid")]
        self._any_xattrs = not in_user_namespace()
        self._fitting: set[Owner] = set()  # owners that can be had
        self._alone: set[str] = set()  # folders of this layer with nothing below

    def stat(self, path: str) -> os.stat_result | None:
        planned = self._members.get(path)
        if isinstance(planned, _Link):
            raise NotPlanned  # somebody wants to go through it
        return self._base.stat(path) if planned is None else planned.found

    def directory(self, path: str) -> Directory:
        """As the base has it: asked of what is a link there, which is on the way to something else."""
        return self._base.directory(path)

    def make_folder(self, path: str, *, mode: int = 0o755, owner: Owner = (0, 0)) -> bool:
        if not path:
            return False
        if path in self._members:
            self._folder(path)
            return False
        self._open_folder(path.rpartition("/")[0])
        return self._make_folder(path, mode, owner)

    def _open_folder(self, path: str) -> None:
        """See that the folder is planned, and all above it. A loop: a path may have more of them than Python frames."""
        missing = []
        while path and path not in self._members:
            missing.append(path)
            path = path.rpartition("/")[0]
        for folder in reversed(missing):
            self._make_folder(folder, 0o755, (0, 0))

    def _make_folder(self, path: str, mode: int, owner: Owner) -> bool:
        below = None if path.rpartition("/")[0] in self._alone else self._base.stat(path)
        if below is None:
            self._put(path, _Folder(_NEW_FOLDER, owner, mode, self._now_ns), owner)
            self._alone.add(path)
            return True
        if not stat.S_ISDIR(below.st_mode):
            raise NotPlanned
        its_owner = (below.st_uid, below.st_gid)
        # Something is put into it, which makes it younger.
        folder = _Folder(below, its_owner, stat.S_IMODE(below.st_mode), self._now_ns)
        with self._base.directory(path) as found:
            self._dress(folder, found.xattrs(""))
        self._put(path, folder, its_owner)
        return False

    def set_times(self, path: str, times: tuple[int, int]) -> None:
        if path:
            self._folder(path).mtime_ns = times[1]

    def set_mode(self, path: str, mode: int) -> None:
        if path:
            self._folder(path).mode = mode

    def dress(self, path: str, owner: Owner, mode: int, xattrs: Mapping[str, bytes]) -> None:
        """Give a folder that is planned its metadata."""
        if path:
            folder = self._folder(path)
            folder.owner, folder.mode = owner, mode
            self._dress(folder, xattrs)
            self._check(owner)

    def remove(self, path: str) -> None:  # noqa: ARG002  Protocol
        raise NotPlanned

    def add(self, path: str, planned: _Link | _File, owner: Owner) -> None:
        """Put something that is no folder at the path."""
        above = path.rpartition("/")[0]
        if above not in self._members:
            self._open_folder(above)
        there = self._members.get(path)
        if there is not None or above not in self._alone:
            below = self._base.stat(path) if there is None else there.found
            if not path or (below is not None and stat.S_ISDIR(below.st_mode)):
                raise NotPlanned
        self._put(path, planned, owner)

    def pack(self, sink: Sink, compression: Compression = Compression.GZIP) -> PackedLayer:
        """Write the layer as a blob, reading the files now.

        Raises SourceError for one that is another by now, NotPlanned where it takes a folder after all.
        """
        with BlobWriter(sink, compression) as blob, _Packing(TarStream(blob.write), self._any_xattrs) as packing:
            # As folders are walked: a folder, what is in it, then what is beside it.
            order = sorted(self._members, key=lambda path: path.replace("/", "\0"))
            try:
                for path in order:
                    self._members[path].write(os.fsencode(path), packing)
            except OSError as error:  # in reading a file: making the folder will say what is wrong
                raise NotPlanned from error
            packing.tar.end()
            return finish_layer(blob, compression)

    def _folder(self, path: str) -> _Folder:
        found = self._members[path]
        if not isinstance(found, _Folder):
            raise NotPlanned
        return found

    def _put(self, path: str, planned: _Folder | _Link | _File, owner: Owner) -> None:
        if len(self._members) >= _MOST_MEMBERS or path.rpartition("/")[2].startswith(_WHITEOUT):
            raise NotPlanned
        if owner not in self._fitting:
            self._check(owner)
        self._members[path] = planned

    def _dress(self, folder: _Folder, xattrs: Mapping[str, bytes]) -> None:
        if xattrs and not self._any_xattrs:
            raise NotPlanned
        folder.xattrs = xattrs

    def _check(self, owner: Owner) -> None:
        for number, ranges in zip(owner, self._ids or (), strict=False):
            if not any(inside <= number < inside + count for inside, _, count in ranges):
                raise NotPlanned
        self._fitting.add(owner)


class PlannedCopy(CopyPlan):
    """One source on its way into a planned layer."""

    def __init__(self, tree: Tree, layer: PlannedLayer, settings: CopySettings) -> None:
        super().__init__(tree, layer, settings)
        self.tree = tree
        self._layer = layer

    def add(self, folder: Directory, path: str, name: str, found: os.stat_result, target: str) -> None:
        kind = found.st_mode & 0o170000
        owner = self.owner_of(found)
        if kind == stat.S_IFREG:
            file = _File(self, path, found, owner, self.mode_of(found), self.times(found)[1])
            self._layer.add(target, file, owner)
        elif kind == stat.S_IFLNK:
            self._layer.add(target, _Link(found, owner, self.times(found)[1], folder.readlink(name)), owner)
        elif kind != stat.S_IFSOCK:
            raise NotPlanned

    def dress(self, folder: Directory, name: str, found: os.stat_result, target: str) -> None:
        self._layer.dress(target, self.owner_of(found), self.mode_of(found), folder.xattrs(name))


class _Packing(ExitStack):
    """What writing the members needs: the archive, and files of trees, the last few of whose folders are kept open."""

    def __init__(self, tar: TarStream, any_xattrs: bool) -> None:
        super().__init__()
        self.tar = tar
        self.any_xattrs = any_xattrs
        self.links: dict[tuple[int, int, int], bytes] = {}  # by source, device and inode: the first name
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


def _encoded(xattrs: Mapping[str, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((os.fsencode(name), xattrs[name]) for name in sorted(xattrs))
