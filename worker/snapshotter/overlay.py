"""The kernel's overlayfs: it is mounted with the process's own mounts, and its upper folder is the new layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..snapshot import LayerId, LayerStore

__all__ = ["OverlaySnapshotter"]


class OverlaySnapshotter:
    """See `Snapshotter`."""

    name = "overlay"

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers

    def prepare(self, layers: Sequence[str], *, writable: bool) -> View:
        return View(layers=tuple(layers), active=self._layers.begin() if writable else None)

    def commit(self, view: View) -> LayerId:
        assert view.active is not None, "it was prepared for reading only"
        return self._layers.commit(view.active)

    def discard(self, view: View) -> None:
        if view.active is not None:
            self._layers.discard(view.active)

    def close(self) -> None:
        """Nothing is kept."""
