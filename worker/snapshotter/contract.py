"""What a snapshotter promises to whoever runs processes on layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..snapshot import ActiveLayer, LayerId

__all__ = ["Snapshotter", "View"]


@frozen
class View:
    """Layers as one process is going to see them.

    active: where its changes go; None: it can make none. One of the other two has the files already, else overlayfs
    is to be mounted: `folder`, which is used as it stands, or `mount`, a detached mount's descriptor.
    """

    layers: tuple[str, ...] = ()  # folders, bottom first
    active: ActiveLayer | None = None
    folder: str = ""
    mount: int = -1


class Snapshotter(Protocol):
    """Makes views of layers, and layers of what was changed in them. Blocking; safe for many threads.

    Life of a view: `prepare` it; let one process work in it; when that has ended, `commit` or `discard` it, once.
    `close` takes away what was kept from one view for the next.
    """

    name: str

    def prepare(self, layers: Sequence[str], *, writable: bool) -> View:
        """A view of these folders in overlay form, bottom first. Raises LlbuildError."""
        ...

    def commit(self, view: View) -> LayerId:
        """The new layer: what was changed in a view that is writable. It is in overlay form whatever the view was."""
        ...

    def discard(self, view: View) -> None:
        """Forget the view and what was changed in it."""
        ...

    def close(self) -> None: ...
