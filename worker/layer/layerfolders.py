"""Folders of a layer that grows on others: what the layers below have counts as there, and is copied up."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Self

from ..snapshot import resolve
from .folders import FOLDER_FLAGS, Folder, KeptOpen, join

if TYPE_CHECKING:
    from types import TracebackType

    from ..snapshot import LayerWriter

__all__ = ["LayerFolders"]


class LayerFolders:
    """`Folders` on a LayerWriter. A context manager.

    Links among the parents of a member are followed inside the stack's root: with `lib` -> `usr/lib` in a base
    image, a member `lib/x` lands in `usr/lib`, as it does where a container's root is mounted.
    """

    def __init__(self, writer: LayerWriter) -> None:
        self._writer = writer
        self._kept = KeptOpen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.__exit__(kind, error, trace)

    def get(self, path: bytes) -> Folder:
        known = self._kept.get(path)
        if known is not None:
            return known
        place = resolve(self._writer, os.fsdecode(path))
        return self._opened(place)

    def exact(self, parent: Folder, base: bytes) -> Folder:
        path = join(parent, base)
        known = self._kept.get(path)
        if known is not None:
            return known
        place = os.fsdecode(path)
        found = self._writer.stat(place)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            self._writer.remove(place)
        return self._opened(place)

    def clear(self, parent: Folder, base: bytes) -> None:
        path = join(parent, base)
        self._kept.forget(path)
        self._writer.clear(os.fsdecode(path), replace=True)

    def _opened(self, place: str) -> Folder:
        path = os.fsencode(place)
        known = self._kept.get(path)
        if known is not None:
            return known
        if place:
            self._writer.make_folder(place)
        return self._kept.keep(os.open(self._writer.place(place), FOLDER_FLAGS), path)
