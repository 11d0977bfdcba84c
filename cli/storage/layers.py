"""Layers, unpacked and packed, as entries: a layer is needed by every result that names it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from ...solver.gc import Entry, EntryType
from ...worker import Upkeep, disk_bytes
from ..units import seconds_since_1970

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...digest import Digest
    from ...leases import LiveLeases
    from ...solver.gc import StoredResult
    from ...worker import LayerFacts
    from ..state import State

__all__ = ["LayerUse", "blob_entries", "layer_entries", "layer_uses"]

_BLOCK_BYTES = 512  # what st_blocks counts in, stat(2)


@dataclass(slots=True)
class LayerUse:
    """How a layer is used, by itself and in the results that name it."""

    last_used: float = 0.0
    uses: int = 0
    lease: int = 0
    depth: int = 0
    parents: set[str] = field(default_factory=set)
    name: str = ""  # of the vertex that made it
    named_at: float = inf

    def add(self, last_used: float, uses: int, lease: int) -> None:
        self.last_used = max(self.last_used, last_used)
        self.uses = max(self.uses, uses)
        self.lease = max(self.lease, lease)


_UNUSED = LayerUse()


def layer_uses(results: Iterable[StoredResult], facts: Mapping[str, LayerFacts]) -> dict[str, LayerUse]:
    """By layer. A layer's description is the name of the first vertex whose result it tops."""
    uses: dict[str, LayerUse] = {}
    for layer, known in facts.items():
        uses[layer] = LayerUse(known.last_used, known.uses, known.lease, name=known.origin)
    for result in results:
        for ref in result.refs:
            for depth, layer in enumerate(ref):
                use = uses.get(layer)
                if use is None:
                    use = uses[layer] = LayerUse()
                use.add(result.last_used, result.uses, result.lease)
                use.depth = max(use.depth, depth)
                if depth:
                    use.parents.add(ref[depth - 1])
            if ref and result.created < uses[ref[-1]].named_at:
                uses[ref[-1]].name, uses[ref[-1]].named_at = result.name, result.created
    return uses


def layer_entries(
    state: State, facts: Mapping[str, LayerFacts], uses: Mapping[str, LayerUse], live: LiveLeases
) -> Iterator[Entry]:
    """The unpacked layers. Those never measured are, and that is remembered."""
    measured: dict[str, int] = {}
    made_by = {
        layer: (kind, noted)
        for kind in (EntryType.GIT_CHECKOUT, EntryType.HTTP_FILE)
        for layer, noted in Upkeep(state.database).uses(kind.value).items()
    }
    for layer in state.layers.names()[0]:
        place = state.layers.path(layer)
        try:
            changed_at = os.stat(place).st_ctime
        except FileNotFoundError:
            continue
        use, known = uses.get(layer, _UNUSED), facts.get(layer)
        size = known.disk_bytes if known else -1
        if size < 0:
            size = measured[layer] = disk_bytes(place)
        kind, noted = made_by.get(layer, (EntryType.REGULAR, None))
        yield Entry(
            type=kind if layer.startswith("run-") else EntryType.IMAGE_LAYER,
            id=layer,
            size_bytes=size,
            place=place,
            description=use.name or (noted.id if noted else ""),
            created=(seconds_since_1970(known.created) if known and known.created else None) or changed_at,
            last_used=use.last_used or changed_at,
            uses=use.uses,
            # A layer that has a row got it, or used it, under the lease of whoever needs it.
            in_use=live.may_use(use.lease) if layer in uses else live.may_have_made(changed_at),
            parents=tuple(sorted(use.parents)),
            depth=use.depth,
        )
    Upkeep(state.database).layers_measured(measured)


def blob_entries(
    state: State,
    facts: Mapping[str, LayerFacts],
    uses: Mapping[str, LayerUse],
    live: LiveLeases,
    *,
    images: Mapping[Digest, frozenset[Entry]],
    sources: Mapping[Digest, str],
) -> Iterator[Entry]:
    """The blobs: packed layers, and the documents of images. What only registries' answers need is the store's own.

    images: which need each blob. sources: what else may be asked for again.
    """
    packed: dict[str, list[str]] = {}
    for layer, known in facts.items():
        if known.blob:
            packed.setdefault(known.blob, []).append(layer)
    for form, layer in Upkeep(state.database).forms():
        packed.setdefault(form, []).append(layer)
    for digest, found in state.content.blobs():
        layers = packed.get(digest, [])
        use = _together([uses.get(layer, _UNUSED) for layer in layers])
        needed_by = images.get(digest, frozenset())
        names = sorted(image.id for image in needed_by)
        linked = found.st_nlink > 1
        yield Entry(
            type=EntryType.BLOB if layers or needed_by or digest not in sources else EntryType.INTERNAL,
            id=digest,
            size_bytes=found.st_blocks * _BLOCK_BYTES,
            place=state.content.path(digest),
            inode=found.st_ino,
            description=use.name or next(iter(names), "") or sources.get(digest, ""),
            created=found.st_mtime,
            last_used=max([use.last_used or found.st_mtime, *(image.last_used for image in needed_by)]),
            uses=use.uses,
            in_use=live.may_use(use.lease) or live.may_have_made(found.st_ctime),
            images=frozenset(names),
            shared=bool(needed_by) or linked,
            linked=linked,
            depth=use.depth,
        )


def _together(uses: Iterable[LayerUse]) -> LayerUse:
    whole = LayerUse()
    for use in uses:
        whole.add(use.last_used, use.uses, use.lease)
        whole.depth = max(whole.depth, use.depth)
        whole.name = whole.name or use.name
    return whole
