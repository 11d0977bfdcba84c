"""Removing: decided and put out of sight in one transaction, deleted afterwards. Why that is safe: `leases.py`."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ...digest import Digest
from ...errors import StoreError
from ...log import log
from ...solver.gc import STALE_AGE_S, EntryType, forget_results, forget_stale_memos
from ...values import frozen
from ...worker import Upkeep
from ...worker.snapshot import remove_tree
from .inventory import take_inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from ...solver.gc import Entry, StoredResult
    from ..state import State
    from .inventory import Inventory

    Choice: TypeAlias = "Callable[[Sequence[Entry]], list[Entry]]"

__all__ = ["Collected", "collect"]

_NOTED = frozenset(  # what is known of their use
    {
        EntryType.CACHE_MOUNT,
        EntryType.LOCAL_SOURCE,
        EntryType.GIT_MIRROR,
        EntryType.GIT_CHECKOUT,
        EntryType.HTTP_FILE,
    }
)


@frozen
class Collected:
    """What was removed, and the bytes that the disk got back."""

    entries: tuple[Entry, ...] = ()
    freed_bytes: int = 0


def collect(state: State, choose: Choice) -> Collected:
    """Remove what `choose` names of the entries. Builds may go on meanwhile, and may hold leases.

    `choose` is asked twice: first so that nobody waits while sizes are measured, or when there is nothing to do.
    Raises StoreError when the disk refuses; what was removed until then is gone.
    """
    chosen = choose(take_inventory(state, state.leases.live()).entries)
    if not chosen:
        return Collected()
    for entry in chosen:
        if entry.type is EntryType.IMAGE:  # first, so that nothing else that goes is needed by a name
            state.content.remove_image(entry.id)
    with state.content.locked(), state.database.transaction():
        inventory = take_inventory(state, state.leases.live())
        again = [entry for entry in choose(inventory.entries) if entry.type is not EntryType.IMAGE]
        buried = _bury(state, again)
        _forget(state, inventory, [entry for entry, _ in buried])
    removed = [entry for entry in chosen if entry.type is EntryType.IMAGE]
    removed += [entry for entry, _ in buried]
    _delete([grave for _, grave in buried])
    _forget_sources(state, {entry.id for entry in removed})
    for entry in removed:
        log.debug("entry_removed", type=entry.type.value, id=entry.id, size_bytes=entry.size_bytes)
    return Collected(entries=tuple(removed), freed_bytes=sum(entry.frees_bytes for entry in removed))


def _bury(state: State, entries: Iterable[Entry]) -> list[tuple[Entry, str]]:
    """Put them out of sight. Returns those that were there, and where each is now."""
    buried = []
    for entry in entries:
        try:
            grave = _grave(state, entry)
        except OSError as error:
            raise StoreError(f"cannot remove {entry.place}: {error.strerror}") from None
        if grave:
            buried.append((entry, grave))
    return buried


def _grave(state: State, entry: Entry) -> str:
    if entry.type is EntryType.GIT_MIRROR:
        from ...worker.source import mirror_lock, try_lock  # with an event loop

        with try_lock(mirror_lock(state.folder, entry.id)) as mine:  # git may be in it, of a build without a lease
            return state.layers.bury(entry.place) if mine else ""
    if entry.unpacked or entry.type is EntryType.CACHE_MOUNT or os.path.isdir(entry.place):
        return state.layers.bury(entry.place)
    if entry.inode:
        return state.content.bury(Digest(entry.id), entry.inode)
    return entry.place if os.path.lexists(entry.place) else ""  # nobody minds when it disappears


def _forget(state: State, inventory: Inventory, gone: Sequence[Entry]) -> None:
    """Drop the rows of what is gone, and the results that cannot be had without it."""
    live, places = inventory.live, {entry.place for entry in gone}
    stay = [entry for entry in inventory.entries if entry.place not in places]
    unpacked = {entry.id for entry in stay if entry.unpacked}
    blobs = {entry.id for entry in stay if entry.inode}

    def here(layer: str) -> bool:
        known = inventory.layers.get(layer)
        return layer in unpacked or (known is not None and known.blob in blobs)

    def to_be_had(layer: str) -> bool:
        known = inventory.layers.get(layer)
        return here(layer) or (known is not None and bool(known.origin))

    def served(result: StoredResult) -> bool:
        # Of one that a cache or a registry has, nothing here tells when it gets old.
        return result.last_used > time.time() - STALE_AGE_S or not result.layers or any(map(here, result.layers))

    useless = [
        result
        for result in inventory.results
        if not live.may_use(result.lease)
        and not (result.found and all(map(to_be_had, result.layers)) and served(result))
    ]
    forget_results(state.database, useless)
    numbers = {result.number for result in useless}
    named = {layer for result in inventory.results if result.number not in numbers for layer in result.layers}
    upkeep = Upkeep(state.database)
    upkeep.forget_layers(
        layer
        for layer, known in inventory.layers.items()
        if layer not in unpacked | named and known.blob not in blobs and not live.may_use(known.lease)
    )
    upkeep.forget_forms(entry.id for entry in gone if entry.inode)
    upkeep.forget_sizes(entry.id for entry in gone if entry.unpacked)
    upkeep.forget_downloads(entry.id for entry in gone if entry.type is EntryType.HTTP_FILE)
    for type_ in _NOTED:
        upkeep.forget_uses(type_.value, (os.path.basename(entry.place) for entry in gone if entry.type is type_))
    forget_stale_memos(state.database)


def _delete(graves: Iterable[str]) -> None:
    for grave in graves:
        try:
            remove_tree(grave)
        except FileNotFoundError:  # another process has swept it up
            continue
        except OSError as error:
            raise StoreError(f"cannot remove {grave}: {error.strerror}") from None


def _forget_sources(state: State, digests: set[str]) -> None:
    """What a registry said about a name is of no use without the document it named."""
    for source in state.content.sources():
        if source.descriptor.digest in digests:
            with contextlib.suppress(StoreError):
                state.content.remove_source(source.name)
