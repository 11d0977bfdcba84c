"""What is said of a vertex, between `Metadata` and the wire.

On the wire a vertex's name is an entry of its description, and the capabilities it needs are spelled out; here they
follow from the op unless a definition says something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..llb import Metadata
from .caps import needed_caps
from .graph import WireMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..llb import Op
    from ..span import Span

__all__ = ["final_metadata", "from_wire", "to_wire"]

_NAME = "llb.customname"  # the description's key for what progress shows


def to_wire(op: Op, meta: Metadata) -> WireMetadata:
    named = {_NAME: meta.name} if meta.name else {}
    caps = needed_caps(op, meta.resources) if meta.caps is None else meta.caps
    return WireMetadata(
        ignore_cache=meta.ignore_cache,
        description=tuple({**dict(meta.description), **named}.items()),
        export_cache=meta.export_cache,
        caps=tuple([(cap, True) for cap in caps]),
        progress_group=meta.progress_group,
        resources=meta.resources,
    )


def from_wire(op: Op, wire: WireMetadata | None, spans: tuple[Span, ...]) -> Metadata:
    """`wire` None: nothing but places is known. Of a capability only its name counts, as in BuildKit."""
    if wire is None:
        return Metadata(spans=spans)
    description = dict(wire.description)
    caps = tuple(cap for cap, _ in wire.caps)
    return Metadata(
        name=description.pop(_NAME) if description.get(_NAME) else "",
        spans=spans,
        ignore_cache=wire.ignore_cache,
        export_cache=wire.export_cache,
        progress_group=wire.progress_group,
        resources=wire.resources,
        description=tuple(description.items()),
        caps=None if caps == needed_caps(op, wire.resources) else caps,
    )


def final_metadata(others: Iterable[WireMetadata]) -> WireMetadata:
    """What is said of the last op: the capabilities that reading the definition takes."""
    caps = {"constraints", "platform"}
    for meta in others:
        if meta.ignore_cache:
            caps.add("meta.ignorecache")
        if meta.description:
            caps.add("meta.description")
        if meta.export_cache is not None:
            caps.add("meta.exportcache")
    return WireMetadata(
        ignore_cache=False,
        description=(),
        export_cache=None,
        caps=tuple((cap, True) for cap in caps),
        progress_group=None,
        resources=None,
    )
