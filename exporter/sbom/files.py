"""An image's files, as scanners see them: read where they lie, within bounds, and never outside the image.

Links are followed inside the image only. Nothing in it is trusted: what is too large is not read, and that is noted,
since a list that is not whole must say so.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...errors import LlbuildError
from ...worker.snapshot import resolve, walk
from .contract import FoundFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ...worker.snapshot import Tree

__all__ = ["ImageFiles"]

_LONGEST_LINE = 64 << 10
_MOST_NOTES = 100


class ImageFiles:
    """Paths have no leading slash. Nothing here raises for what an image holds: it is noted."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._all: list[FoundFile] | None = None
        self.notes: dict[str, None] = {}
        self.failed = False  # whether something could not be read that another time perhaps can

    def note(self, text: str) -> None:
        """Say what is missing in the list, and why."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.setdefault(text.encode("utf-8", "replace").decode())

    def all(self) -> list[FoundFile]:
        """Every regular file, folders before what is beside them; asked twice, it is walked once."""
        if self._all is None:
            self._all = []
            try:
                for visit in walk(self._tree, ""):
                    if stat.S_ISREG(visit.stat.st_mode):
                        mode = stat.S_IMODE(visit.stat.st_mode)
                        self._all.append(FoundFile(visit.path, visit.stat.st_size, mode))
            except OSError as error:
                self._fail("the rest of the files", error)
        return self._all

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing when there is none."""
        try:
            place = resolve(self._tree, folder)
            with self._tree.directory(place) as opened:
                return [entry.name for entry in opened.entries()]
        except (LlbuildError, OSError):
            return []

    def read(self, path: str, *, most_bytes: int) -> bytes | None:
        """A file's contents; None when there is none. One that is larger is not read, and noted."""
        file = self.open(path, most_bytes=most_bytes)
        if file is None:
            return None
        with file:
            try:
                return file.read(most_bytes)
            except OSError as error:
                self._fail(f"/{path}", error)
                return None

    def lines(self, path: str, *, most_bytes: int) -> Iterator[str]:
        """A text file line by line, without line ends; what is not UTF-8 becomes U+FFFD. A longer line is cut."""
        file = self.open(path, most_bytes=most_bytes)
        if file is None:
            return
        with file:
            cut = False
            while line := file.readline(_LONGEST_LINE):
                if not cut:
                    yield line.rstrip(b"\r\n").decode("utf-8", "replace")
                cut = not line.endswith(b"\n")

    def open(self, path: str, *, most_bytes: int) -> BinaryIO | None:
        """A regular file, which the caller closes; None when there is none, or a larger one."""
        try:
            place = resolve(self._tree, path)
            found = self._tree.stat(place)
            if found is None or not stat.S_ISREG(found.st_mode):
                return None
            if found.st_size > most_bytes:
                self.note(f"/{path} was not read: it is larger than {most_bytes >> 10} KiB")
                return None
            parent, _, name = place.rpartition("/")
            with self._tree.directory(parent) as folder:
                return os.fdopen(folder.open(name), "rb")
        except LlbuildError as error:
            self.note(f"/{path} cannot be read: {error.message}")
        except OSError as error:
            self._fail(f"/{path}", error)
        return None

    def _fail(self, what: str, error: OSError) -> None:
        self.failed = True
        self.note(f"{what} cannot be read: {error.strerror}")
