"""A read-only file tree, whatever it comes from; and the walk through its symbolic links.

Paths are text (os.fsdecode, so names that are not UTF-8 survive), relative, "" is the root; the
components of a path given to a tree are real folders, never links. `resolve` makes such paths.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Protocol

from ...errors import SourceError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from .rows import Entry

__all__ = ["Directory", "Tree", "join", "parts_of", "resolve"]

_MAX_LINKS = 255  # as many as Go's securejoin allows; the kernel stops at 40


class Directory(Protocol):
    """A folder of a tree, open for reading (`with`)."""

    def entries(self) -> list[Entry]:
        """What is in it, by name in byte order."""
        ...

    def open(self, name: str) -> int:
        """A file descriptor of a regular file in it, never through a link. The caller closes it."""
        ...

    def recall(self, name: str, found: os.stat_result) -> bytes | None:
        """What was noted of a file that is still as `found`; None when it must be read."""
        ...

    def note(self, name: str, found: os.stat_result, digest: bytes, read_ns: int) -> None:
        """The file, read from `read_ns` on and as `found` afterwards, has this digest (32 bytes)."""
        ...

    def readlink(self, name: str) -> str: ...
    def xattrs(self, name: str) -> Mapping[str, bytes]:
        """Extended attributes of a file or folder in it, without overlayfs's own; "" is the folder itself."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Tree(Protocol):
    """Files, for reading."""

    @property
    def owners(self) -> bool:
        """Whether owners mean something; else everything counts as 0:0 (a client's folder)."""
        ...

    def stat(self, path: str) -> os.stat_result | None:
        """What is at the path itself (lstat); None when nothing is."""
        ...

    def directory(self, path: str) -> Directory:
        """Open a folder. Raises SourceError when it is none."""
        ...


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def parts_of(path: str) -> list[str]:
    """Components of a path as written in a build file: `.` and empty ones dropped, `..` kept."""
    return [part for part in path.split("/") if part not in ("", ".")]


def resolve(tree: Tree, path: str, *, follow_last: bool = True) -> str:
    """The path with every link followed, inside the tree only: absolute links and `..` stop at its root.

    What does not exist is kept as it is written. Raises SourceError on a loop of links.
    """
    done: list[str] = []
    todo = parts_of(path)[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        here = "/".join([*done, part])
        found = tree.stat(here)
        if found is None or not stat.S_ISLNK(found.st_mode) or (not todo and not follow_last):
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise SourceError(f"too many symbolic links in '/{path.lstrip('/')}'", ref=path)
        with tree.directory("/".join(done)) as folder:
            target = folder.readlink(part)
        if target.startswith("/"):
            done.clear()
        todo.extend(parts_of(target)[::-1])
    return "/".join(done)
