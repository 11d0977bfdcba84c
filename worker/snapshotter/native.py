"""Copies: every view is a folder with all of the files, and a layer what differs in it afterwards.

Slow, but it takes nothing: no overlayfs, no /dev/fuse. Blocks are shared where the disk can (reflinks). The folder of
one step becomes that of the next when that builds on it, so that a chain of steps copies its base once.

What a step changed shows in the change times (ctime), which nothing can set: a file that has not been touched since
the copy was complete is not compared any further.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ..snapshot import LayerWriter, MergedTree, copy_tree, write_difference
from .contract import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..snapshot import ActiveLayer, LayerId, LayerStore

__all__ = ["NativeSnapshotter"]

_TICK_S = 0.001


class NativeSnapshotter:
    """See `Snapshotter`."""

    name = "native"

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        # What single steps are not to pay for. Taken and put by one call each: threads get it once.
        self._spares: dict[tuple[str, ...], ActiveLayer] = {}  # for the next step, which may write
        self._shared: dict[tuple[str, ...], ActiveLayer] = {}  # for all that only read
        self._since: dict[str, int] = {}  # key of the active layer -> when the copy was complete

    def prepare(self, layers: Sequence[str], *, writable: bool) -> View:
        stack = tuple(layers)
        if not writable:
            return View(layers=stack, folder=self._shared_copy(stack))
        active = self._layers.begin()
        try:
            spare = self._spares.pop(stack, None)
            if spare is None:
                os.mkdir(_copy_in(active))
                self._copy(stack, _copy_in(active))
            else:
                os.rename(spare.work, active.work)
                self._layers.discard(spare)
            self._since[active.key] = _wait_for_tick(active.work)
        except BaseException:
            self._layers.discard(active)
            raise
        return View(layers=stack, active=active, folder=_copy_in(active))

    def commit(self, view: View) -> LayerId:
        active = view.active
        assert active is not None, "it was prepared for reading only"
        base = self._tree(view.layers)
        writer = LayerWriter(base, active.fs, userxattr=self._layers.userxattr)
        write_difference(base, self._tree((view.folder,)), writer, since_ns=self._since.pop(active.key))
        spare = self._layers.begin()
        os.rename(active.work, spare.work)
        layer = self._layers.commit(active)
        self._drop(self._spares)  # one is enough for a chain, and each takes as much room as the image
        self._spares[(*view.layers, self._layers.folder(layer))] = spare
        return layer

    def discard(self, view: View) -> None:
        if view.active is not None:
            self._since.pop(view.active.key, None)
            self._layers.discard(view.active)

    def close(self) -> None:
        self._drop(self._spares)
        self._drop(self._shared)

    def _shared_copy(self, stack: tuple[str, ...]) -> str:
        known = self._shared.get(stack)
        if known is None:
            copy = self._layers.begin(mounted=False)
            try:
                self._copy(stack, copy.fs)
            except BaseException:
                self._layers.discard(copy)
                raise
            known = self._shared.setdefault(stack, copy)
            if known is not copy:  # another thread was faster
                self._layers.discard(copy)
        return known.fs

    def _copy(self, stack: Sequence[str], folder: str) -> None:
        copy_tree(self._tree(stack), LayerWriter(self._tree(()), folder, userxattr=self._layers.userxattr))

    def _tree(self, stack: Sequence[str]) -> MergedTree:
        return MergedTree(stack, userxattr=self._layers.userxattr)

    def _drop(self, kept: dict[tuple[str, ...], ActiveLayer]) -> None:
        while kept:
            try:
                _, active = kept.popitem()
            except KeyError:
                return
            self._layers.discard(active)


def _copy_in(active: ActiveLayer) -> str:
    """Where the copy lies: a folder further in, for what is noted of it beside it (`owners.py`)."""
    return f"{active.work}/fs"


def _wait_for_tick(folder: str) -> int:
    """A time, as files are stamped with it, that is later than everything done so far.

    The kernel's clock for files goes in ticks of some milliseconds: what a step changes at once must not look like
    what was copied just before.
    """
    place = f"{folder}/clock"
    with open(place, "wb") as file:
        handle = file.fileno()
        before = os.fstat(handle).st_ctime_ns
        while (now := os.fstat(handle).st_ctime_ns) == before:
            time.sleep(_TICK_S)
            os.utime(handle)
    os.unlink(place)
    return now
