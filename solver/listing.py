"""Listings of files: what a content digest is the digest of, read back to tell people which files have changed.

Form: see `worker.snapshot.contents`, which writes them. A listing is read only to explain; it decides nothing.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from ..llb.codec import unpack_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FileChange", "compare_listings", "count_files"]


class FileChange(NamedTuple):
    """One path that differs. `how`: "added", "removed", "content", "mode 0644→0755", …, several joined by ", "."""

    path: str
    how: str

    def __str__(self) -> str:
        return f"{self.path} ({self.how})"


class _Entry(NamedTuple):
    mode: int
    uid: int
    gid: int
    xattrs: Mapping[str, bytes]
    content: Any


_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def count_files(listing: bytes) -> int:
    """How many files, links and folders it lists."""
    return len(_read(listing))


def compare_listings(before: bytes, after: bytes) -> list[FileChange]:
    """What happened to the files between two listings, in order of their paths."""
    old, new = _read(before), _read(after)
    changes = []
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            changes.append(FileChange(path, "added"))
        elif path not in new:
            changes.append(FileChange(path, "removed"))
        elif old[path] != new[path]:
            changes.append(FileChange(path, ", ".join(_differences(old[path], new[path]))))
    return changes


def _read(listing: bytes) -> dict[str, _Entry]:
    """Entries by path. Where several copies take files of one name, the last one of it counts."""
    found: dict[str, _Entry] = {}
    for value in unpack_stream(listing):
        if isinstance(value, list):
            path, *rest = value
            found[os.fsdecode(path)] = _Entry(*rest)
    return found


def _differences(old: _Entry, new: _Entry) -> list[str]:
    if stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode):
        return [f"{_kind(old)}→{_kind(new)}"]
    said = []
    if old.content != new.content:
        is_link = stat.S_ISLNK(new.mode)
        said.append(f"target {os.fsdecode(old.content)}→{os.fsdecode(new.content)}" if is_link else "content")
    if old.mode != new.mode:
        said.append(f"mode {stat.S_IMODE(old.mode):04o}→{stat.S_IMODE(new.mode):04o}")
    if (old.uid, old.gid) != (new.uid, new.gid):
        said.append(f"owner {old.uid}:{old.gid}→{new.uid}:{new.gid}")
    if old.xattrs != new.xattrs:
        said.append("extended attributes")
    return said


def _kind(entry: _Entry) -> str:
    return _KINDS.get(stat.S_IFMT(entry.mode), "something else")
