"""What a client hands to a build: folders by name, for `local://NAME` sources, and files by URL.

They are read where they stand, never copied as a whole. What reads them is imported once a build has a source that
is one of them. One tree per source op, shared by the
hashing before the build and the copying during it, so that a file that changes in between is noticed.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Final

from ..errors import SourceError
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from ..digest import Digest
    from ..llb import SourceOp
    from .snapshot import FileDigests, FolderTree
    from .uses import UseRecords

__all__ = ["LOCAL_SOURCE", "Contexts", "HandedFile"]

LOCAL_SOURCE: Final = "source.local"


@frozen
class HandedFile:
    """A file that the client holds open, e.g. a build context that came on stdin. Nothing writes to it any more."""

    digest: Digest  # sha256
    file: BinaryIO

    def open(self) -> BinaryIO:
        """From its beginning, whoever else reads it."""
        return open(f"/proc/self/fd/{self.file.fileno()}", "rb")


class Contexts:
    """Trees of the client's folders, and its files."""

    def __init__(
        self,
        folders: Mapping[str, str | os.PathLike[str]],
        *,
        files: Mapping[str, HandedFile] | None = None,
        hidden: str | os.PathLike[str] | None = None,
        digests: str | os.PathLike[str] | None = None,
        uses: UseRecords | None = None,
    ) -> None:
        """folders: by context name. files: by URL. digests: where to remember what files digest to; None: nowhere.
        hidden: the state folder, which changes during a build and is never part of one. uses: where to note that this
        was of use.
        """
        self.files = dict(files or {})
        self._folders = {name: os.fspath(folder) for name, folder in folders.items()}
        self._hidden = hidden
        self._store = digests
        self._uses = uses
        self._digests: dict[str, FileDigests] = {}
        self._trees: dict[tuple[SourceOp, bool], FolderTree] = {}

    def tree(self, op: SourceOp, *, whole: bool = False) -> FolderTree:
        """What a `local://` source shows: its folder, or what it includes of that, less what it excludes.

        whole: for who takes all of it, and not what lies at some path.
        Raises SourceError when no folder of that name was handed over or it cannot be read.
        """
        whole = whole and op.attr("local.followpaths") is not None
        tree = self._trees.get((op, whole))
        if tree is None:
            from .selected import including, with_links
            from .snapshot import FolderTree

            folder = self._folders.get(op.ref)
            if folder is None:
                known = ", ".join(sorted(self._folders)) or "none"
                raise SourceError(f"no build context named {op.ref!r} was given; there are: {known}", ref=op.ref)
            wanted = list(_patterns(op, "local.includepattern"))
            if whole:
                wanted += with_links(folder, _patterns(op, "local.followpaths"))
            excludes = including(wanted, (*_patterns(op, "local.excludepatterns"), *self._own(folder)))
            tree = FolderTree(folder, excludes=excludes, digests=self._digests_of(folder))
            self._trees[op, whole] = tree
        return tree

    def remember(self) -> None:
        """Keep for the next build what files were found to digest to."""
        kept = []
        for folder, digests in self._digests.items():
            digests.save()
            if digests.kept:
                kept.append((digests.name, folder))
        if kept and self._uses is not None:
            self._uses.note(LOCAL_SOURCE, kept)

    def _digests_of(self, folder: str) -> FileDigests | None:
        if self._store is None:
            return None
        if folder not in self._digests:
            from .snapshot import FileDigests

            self._digests[folder] = FileDigests(self._store, folder)
        return self._digests[folder]

    def _own(self, folder: str) -> tuple[str, ...]:
        """The pattern that leaves the state folder out, where it lies in that context."""
        if self._hidden is None:
            return ()
        inside = os.path.relpath(os.path.realpath(self._hidden), os.path.realpath(folder))
        if inside == "." or inside.partition("/")[0] == "..":
            return ()
        return (re.sub(r"([*?[\]\\!#])", r"\\\1", inside),)


def _patterns(op: SourceOp, attr: str) -> tuple[str, ...]:
    text = op.attr(attr)
    if text is None:
        return ()
    try:
        patterns = json.loads(text)
    except ValueError:
        patterns = None
    if not isinstance(patterns, list) or not all(isinstance(item, str) for item in patterns):
        raise SourceError(f"{attr} of {op.identifier} is not a JSON list of texts: {text!r}", ref=op.ref)
    return tuple(patterns)
