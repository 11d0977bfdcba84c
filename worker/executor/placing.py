"""Mounts without mounting: what a step is to find somewhere is put there before it starts, and taken away afterwards.

Done from outside of the root, which nothing runs in meanwhile. Names are resolved inside of it (openat2(2),
RESOLVE_IN_ROOT) once, before the step; afterwards only the descriptors of then count, so that links it has planted
lead nowhere. What stood in the way is moved aside and back.
"""

from __future__ import annotations

import os
import stat

from .. import syscalls
from .failure import SetupError, explained

__all__ = ["Places", "copy_tree", "remove_tree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_RESOLVE = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_PIECE = 1 << 20


class _Place:
    """A name in a folder of the root. `aside`: the name of what was there before, in the folder for that."""

    __slots__ = ("aside", "back_to", "folder", "name", "times")  # times: of the folder, before

    def __init__(self, folder: int, name: bytes) -> None:
        self.folder = folder
        self.name = name
        self.times = _times(folder)
        self.aside = b""
        self.back_to = b""  # where the contents go when the step is over


class Places:
    """Those of one step; `clear` them in any case."""

    def __init__(self, root: bytes, aside: bytes) -> None:
        """aside: an empty folder on the same filesystem, out of the step's sight."""
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._aside_path = aside
        self._aside = os.open(aside, _FOLDER)
        self._places: list[_Place] = []
        self._made: list[_Place] = []  # folders on the way
        self._number = 0

    def take(self, path: bytes, *, as_folder: bool | None = None) -> _Place:
        """Make room for something at `path`; parents that are missing are made until `clear`.

        as_folder: whether a folder comes there, which then must not cover a file, nor the other way round.
        """
        folder, name = self._find(path)
        place = _Place(folder, name)
        self._places.append(place)
        if _exists(folder, name):
            covered = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if as_folder is not None and not stat.S_ISLNK(covered) and as_folder != stat.S_ISDIR(covered):
                raise SetupError(f"cannot mount at {os.fsdecode(path)}: one is a folder, the other is a file")
            self._number += 1
            place.aside = b"%d" % self._number
            os.rename(name, place.aside, src_dir_fd=folder, dst_dir_fd=self._aside)
        return place

    def is_link(self, path: bytes) -> bool:
        """Of a name in the root itself."""
        try:
            found = os.stat(path.lstrip(b"/"), dir_fd=self._root, follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISLNK(found.st_mode)

    def folder(self, path: bytes, mode: int) -> None:
        """A new empty folder."""
        place = self.take(path, as_folder=True)
        os.mkdir(place.name, 0o700, dir_fd=place.folder)
        fd = os.open(place.name, _FOLDER | os.O_NOFOLLOW, dir_fd=place.folder)
        os.fchmod(fd, mode)
        os.close(fd)
        _keep_times(place)

    def link_to(self, path: bytes, target: bytes) -> None:
        """A symbolic link."""
        place = self.take(path)
        os.symlink(target, place.name, dir_fd=place.folder)
        _keep_times(place)

    def file(self, path: bytes, data: bytes, mode: int, *, uid: int = 0, gid: int = 0) -> None:
        place = self.take(path, as_folder=False)
        fd = os.open(place.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=place.folder)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fchown(fd, uid, gid)
        os.fchmod(fd, mode)
        os.close(fd)
        _keep_times(place)

    def copy(self, path: bytes, source: int, back_to: bytes) -> None:
        """A copy of what `source` is open on. back_to: a folder that has the copy's contents when the step is over."""
        place = self.take(path, as_folder=stat.S_ISDIR(os.fstat(source).st_mode))
        copy_tree(source, place.folder, place.name)
        place.back_to = back_to
        _keep_times(place)

    def link(self, path: bytes, source: bytes) -> None:
        """A second name of a socket."""
        place = self.take(path, as_folder=False)
        os.link(source, place.name, dst_dir_fd=place.folder)
        _keep_times(place)

    def mode_of_covered(self, path: bytes) -> int:
        """Of the folder that is there; -1 where there is none."""
        try:
            fd = syscalls.openat2(path.lstrip(b"/"), os.O_PATH, dir_fd=self._root, resolve=_RESOLVE)
        except OSError:
            return -1
        try:
            return stat.S_IMODE(os.fstat(fd).st_mode)
        finally:
            os.close(fd)

    def clear(self) -> None:
        """Take everything away, and put back what was there, in the reverse order."""
        for place in reversed(self._places):
            place.times = _times(place.folder)  # by now they are what the step made of them
            if _exists(place.folder, place.name):
                if place.back_to:
                    self._give_back(place)
                else:
                    remove_tree(place.folder, place.name)
            if place.aside:
                os.rename(place.aside, place.name, src_dir_fd=self._aside, dst_dir_fd=place.folder)
            _keep_times(place)
        for made in reversed(self._made):
            try:
                made.times = _times(made.folder)
                os.rmdir(made.name, dir_fd=made.folder)
                _keep_times(made)
            except OSError:
                pass  # the step put something there, or took it away itself

    def _give_back(self, place: _Place) -> None:
        """The contents change place by renaming: whoever else uses the folder has the old ones or the new ones."""
        old = b"old%d" % len(os.listdir(self._aside))
        os.rename(place.back_to, old, dst_dir_fd=self._aside)
        os.rename(place.name, place.back_to, src_dir_fd=place.folder)
        remove_tree(self._aside, old)

    def _find(self, path: bytes) -> tuple[int, bytes]:
        """The folder that `path` is in, as a descriptor, and its name there; links are followed inside the root."""
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        try:
            place = syscalls.openat2(b"/".join(parts), os.O_PATH, dir_fd=self._root, resolve=_RESOLVE)
        except OSError:
            return self._make_way(parts)
        real = os.readlink(b"/proc/self/fd/%d" % place)
        os.close(place)
        parent, name = os.path.split(real)
        return os.open(parent, _FOLDER), name

    def _make_way(self, parts: list[bytes]) -> tuple[int, bytes]:
        folder = os.open(b".", _FOLDER, dir_fd=self._root)
        for depth, part in enumerate(parts[:-1], 1):
            try:
                inner = syscalls.openat2(b"/".join(parts[:depth]), _FOLDER, dir_fd=self._root, resolve=_RESOLVE)
            except FileNotFoundError:
                if _exists(folder, part):
                    raise SetupError(f"{os.fsdecode(b'/'.join(parts))}: a link on the way leads nowhere") from None
                made = _Place(os.dup(folder), part)
                os.mkdir(part, 0o755, dir_fd=folder)
                _keep_times(made)
                self._made.append(made)
                inner = os.open(part, _FOLDER, dir_fd=folder)
            except OSError as exc:
                raise explained(f"cannot use /{os.fsdecode(b'/'.join(parts))}", exc) from exc
            os.close(folder)
            folder = inner
        return folder, parts[-1]  # a link to what is not there, too: what comes takes its place meanwhile


def copy_tree(source: int, folder: int, name: bytes) -> None:
    """What `source` (any descriptor of it) is, as `name` in `folder`: contents, modes, owners, times."""
    found = os.fstat(source)
    if stat.S_ISDIR(found.st_mode):
        os.mkdir(name, 0o700, dir_fd=folder)
        inner = os.open(name, _FOLDER, dir_fd=folder)
        outer = os.open(b".", _FOLDER, dir_fd=source)
        for entry in os.listdir(outer):
            _copy_entry(outer, os.fsencode(entry), inner)
        os.close(outer)
        _dress(inner, found)
        os.close(inner)
    elif stat.S_ISREG(found.st_mode):
        reader = os.open(b"/proc/self/fd/%d" % source, os.O_RDONLY | os.O_CLOEXEC)
        writer = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        while piece := os.read(reader, _PIECE):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(writer, rest) :]
        os.close(reader)
        _dress(writer, found)
        os.close(writer)
    else:
        raise SetupError("without mounts, a step can be given files, folders and sockets only")


def _copy_entry(outer: int, name: bytes, inner: int) -> None:
    found = os.stat(name, dir_fd=outer, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=outer), name, dir_fd=inner)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=inner, follow_symlinks=False)
        os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=inner, follow_symlinks=False)
    elif stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)
        copy_tree(fd, inner, name)
        os.close(fd)
    # devices, pipes and sockets of somewhere else are of no use to a step


def _dress(fd: int, found: os.stat_result) -> None:
    os.fchown(fd, found.st_uid, found.st_gid)
    os.fchmod(fd, stat.S_IMODE(found.st_mode))
    os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns))


def remove_tree(folder: int, name: bytes) -> None:
    """Without following any link."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    for entry in os.listdir(inner):
        remove_tree(inner, os.fsencode(entry))
    os.close(inner)
    os.rmdir(name, dir_fd=folder)


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _keep_times(place: _Place) -> None:
    """A place is none of the step's changes to the folder around it."""
    os.utime(place.folder, ns=place.times)


def _times(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_atime_ns, found.st_mtime_ns
