"""Everything in a state folder, as entries: what it is, what it takes, who needs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...solver.gc import Entry, EntryType, stored_results
from ...values import frozen, replace
from ...worker import Upkeep
from .layers import blob_entries, layer_entries, layer_uses
from .others import context_entries, internal_entries, leftover_entries, mirror_entries, mount_entries, receipt_entries
from .reachable import blobs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...digest import Digest
    from ...leases import LiveLeases
    from ...solver.gc import StoredResult
    from ...worker import LayerFacts, StoredImage
    from ..state import State

__all__ = ["Inventory", "take_inventory"]


@frozen
class Inventory:
    """`entries`, and the rows that hang on them."""

    entries: tuple[Entry, ...]
    results: tuple[StoredResult, ...]
    layers: Mapping[str, LayerFacts]
    live: LiveLeases


def take_inventory(state: State, live: LiveLeases) -> Inventory:
    """Look at everything. What was measured and has not changed is not measured again. Raises StoreError.

    An ordinary user's process must not have threads yet: it may have to enter a user namespace.
    """
    if os.geteuid() != 0:
        from ...worker import enter_user_namespace

        enter_user_namespace(state.folder)  # to see what users of the containers own
    results = stored_results(state.database)
    facts = Upkeep(state.database).layers()
    uses = layer_uses(results, facts)
    images = [(image, _image_entry(state, image)) for image in state.content.images()]
    needed = _needed(state, images)
    sources = {digest: source.name for source in state.content.sources() for digest in blobs_of(state.content, source)}
    blobs = tuple(blob_entries(state, facts, uses, live, images=needed, sources=sources))
    # Whoever builds on an image may ask for its name again.
    names_in_use = frozenset[str]().union(*(blob.images for blob in blobs if blob.in_use))
    entries = (
        *(replace(entry, in_use=entry.id in names_in_use) for _, entry in images),
        *layer_entries(state, facts, uses, live),
        *blobs,
        *mount_entries(state, live),
        *mirror_entries(state, live),
        *context_entries(state),
        *receipt_entries(state),
        *leftover_entries(state),
        *internal_entries(state),
    )
    return Inventory(entries=entries, results=tuple(results), layers=facts, live=live)


def _image_entry(state: State, image: StoredImage) -> Entry:
    try:
        made_at = os.stat(state.content.path(image.descriptor.digest)).st_mtime
    except OSError:
        made_at = 0.0
    return Entry(
        type=EntryType.IMAGE,
        id=image.name,
        size_bytes=0,
        description=image.descriptor.digest,
        created=made_at,
        last_used=made_at,
    )


def _needed(state: State, images: Iterable[tuple[StoredImage, Entry]]) -> dict[Digest, frozenset[Entry]]:
    needed: dict[Digest, set[Entry]] = {}
    for image, entry in images:
        for digest in blobs_of(state.content, image):
            needed.setdefault(digest, set()).add(entry)
    return {digest: frozenset(entries) for digest, entries in needed.items()}
