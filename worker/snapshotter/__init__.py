"""Snapshotters: how layers become the one filesystem that a process works in, and its changes a new layer.

`overlay` has the kernel lay them over each other; `fuse-overlayfs` a program of that name, where the kernel does not
permit it; `native` copies them, which works wherever files can be made. Layers look the same whoever wrote them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .choice import NAMES as NAMES
    from .choice import choose as choose
    from .choice import open_snapshotter as open_snapshotter
    from .choice import try_out as try_out
    from .contract import Snapshotter as Snapshotter
    from .contract import View as View
    from .overlay import OverlaySnapshotter as OverlaySnapshotter

_HOME = {
    "NAMES": "choice",
    "OverlaySnapshotter": "overlay",
    "Snapshotter": "contract",
    "View": "contract",
    "choose": "choice",
    "open_snapshotter": "choice",
    "try_out": "choice",
}

__all__ = ["NAMES", "OverlaySnapshotter", "Snapshotter", "View", "choose", "open_snapshotter", "try_out"]

__getattr__ = lazy_face(__name__, _HOME)
