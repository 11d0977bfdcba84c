"""What overlayfs would show of a stack of layers, read from their folders: no mount, no privilege.

Layers never change once they are committed, so what a folder is made of is remembered. Rules:
kernel.org/doc/html/latest/filesystems/overlayfs.html, "Upper and Lower", "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import SourceError
from ..overlay import OPAQUE, is_whiteout
from ..owners import LayerOwners, remembering
from .rows import Entry
from .xattrs import own_xattrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self, TypeAlias

    Found: TypeAlias = tuple[str, os.stat_result]  # where on this machine, and what

__all__ = ["MergedTree", "is_opaque"]

_KEEP_FOLDERS = 50_000  # remembered per tree; each costs ~300 bytes
_KEEP_FOUND = 4_000  # paths looked up by name: a copy asks for its destination several times


class MergedTree:
    """Layer folders laid over each other. Safe for threads."""

    owners = True

    def __init__(self, folders: Sequence[str], *, userxattr: bool) -> None:
        """folders: layer contents in overlay form, bottom first; none is an empty tree."""
        self.folders = folders
        self._opaque = OPAQUE[userxattr]
        self._stacks: dict[str, tuple[str, ...]] = {"": tuple(reversed(folders))}
        self._found: dict[str, Found | None] = {}
        self._owners = LayerOwners(folders) if remembering() else None

    def below(self, folder: str) -> MergedTree:
        """The same with one more layer on top."""
        upper = MergedTree([*reversed(self._stacks[""]), folder], userxattr=False)
        upper._opaque = self._opaque
        return upper

    def stat(self, path: str) -> os.stat_result | None:
        found: Found | None
        if not path:
            stack = self._stacks[""]
            found = (stack[0], os.lstat(stack[0])) if stack else None
        else:
            found = self.find(path)
        if found is None or self._owners is None:
            return None if found is None else found[1]
        return self._owners.meant(*found)

    def directory(self, path: str) -> MergedDirectory:
        stack = self.stack(path)
        if not stack and path:
            raise SourceError(f"/{path} is not a folder", ref=path)
        return MergedDirectory(stack, self._owners)

    def listing(self, path: str) -> MergedDirectory:
        """As `directory`; of what is no folder there is nothing in it."""
        return MergedDirectory(self.stack(path), self._owners)

    def find(self, path: str) -> Found | None:
        """Where the path's topmost version lies on this machine, and what it is."""
        if path in self._found:
            return self._found[path]
        parent, _, name = path.rpartition("/")
        found = find_in(self.stack(parent), name)
        if found is not None and is_whiteout(found[1]):
            found = None
        if len(self._found) < _KEEP_FOUND:
            self._found[path] = found
        return found

    def stack(self, path: str) -> tuple[str, ...]:
        """The folders that together are the folder at `path`, topmost first; () when it is none."""
        known = self._stacks.get(path)
        if known is not None:
            return known
        missing = [path]  # a loop: a path may have more folders than Python has frames
        while (known := self._stacks.get(missing[-1].rpartition("/")[0])) is None:
            missing.append(missing[-1].rpartition("/")[0])
        for folder in reversed(missing):
            known = self._stack(known, folder.rpartition("/")[2])
            if len(self._stacks) < _KEEP_FOLDERS:
                self._stacks[folder] = known
        return known

    def _stack(self, parents: Sequence[str], name: str) -> tuple[str, ...]:
        stack = []
        for folder in parents:
            place = f"{folder}/{name}"
            try:
                found = os.lstat(place)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not stat.S_ISDIR(found.st_mode):
                break  # a file or a whiteout: nothing below it shows
            stack.append(place)
            if is_opaque(place, self._opaque):
                break
        return tuple(stack)


class MergedDirectory:
    """One folder of a MergedTree."""

    def __init__(self, stack: Sequence[str], owners: LayerOwners | None = None) -> None:
        """owners: what is remembered of owners; None: nothing."""
        self._stack = stack
        self._owners = owners
        self._places: dict[str, str] = {}  # filled by `entries`: who lists a folder mostly reads what is in it

    def entries(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        places = self._places
        for folder in self._stack:
            with os.scandir(folder) as scan:
                for item in scan:
                    name = item.name
                    if name not in found:
                        found[name] = Entry(name, item.stat(follow_symlinks=False))
                        places[name] = item.path
        names = sorted(found) if all(map(str.isascii, found)) else sorted(found, key=os.fsencode)
        shown = [found[name] for name in names if not is_whiteout(found[name].stat)]
        owners = self._owners
        if owners is None:
            return shown
        return [Entry(entry.name, owners.meant(places[entry.name], entry.stat)) for entry in shown]

    def open(self, name: str) -> int:
        # O_NONBLOCK: should it be a fifo after all, nobody waits for its other end
        return os.open(self._place(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    def recall(self, name: str, found: os.stat_result) -> bytes | None:  # noqa: ARG002  Protocol
        return None  # digests of what lies in layers are remembered as a whole: layers do not change

    def note(self, name: str, found: os.stat_result, digest: bytes, read_ns: int) -> None: ...

    def readlink(self, name: str) -> str:
        return os.readlink(self._place(name))

    def xattrs(self, name: str) -> Mapping[str, bytes]:
        if not name and not self._stack:
            return {}
        return own_xattrs(self._place(name) if name else self._stack[0])

    def _place(self, name: str) -> str:
        known = self._places.get(name)
        if known is None:
            found = find_in(self._stack, name)
            if found is None:
                raise SourceError(f"{name} is not there any more", ref=name)
            known = found[0]
        return known

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""


def find_in(folders: Sequence[str], name: str) -> Found | None:
    """The topmost of the folders that says something about the name, be it that it is deleted."""
    for folder in folders:
        place = f"{folder}/{name}"
        try:
            return place, os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def is_opaque(folder: str, attribute: str) -> bool:
    """Whether a layer's folder hides what lower layers have at its place."""
    try:
        return os.getxattr(folder, attribute, follow_symlinks=False) == b"y"
    except OSError:
        return False
