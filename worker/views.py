"""Views of layers as an executor is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .executor import BindMount, OverlayMount, RootMount

if TYPE_CHECKING:
    from .executor import ExtraMount
    from .snapshotter import View

__all__ = ["layers_mount", "root_mount"]


def root_mount(view: View, *, readonly: bool = False) -> RootMount:
    """A view as the root."""
    active = view.active
    if view.folder:
        # One for reading may be another step's too: nothing is made in it, mount points neither
        return RootMount(upper=view.folder if active else None, readonly=readonly, folder=view.folder)
    return RootMount(
        lowers=view.layers,
        upper=active.fs if active else None,
        work=active.work if active else None,
        readonly=readonly,
        mount=view.mount,
    )


def layers_mount(view: View, dest: str, *, selector: str, readonly: bool) -> ExtraMount:
    """A view beside the root."""
    active = view.active
    if view.folder:
        return BindMount(dest=dest, source=view.folder, selector=selector, readonly=readonly)
    return OverlayMount(
        dest=dest,
        lowers=view.layers,
        upper=active.fs if active else None,
        work=active.work if active else None,
        selector=selector,
        readonly=readonly,
        mount=view.mount,
    )
