"""What is neither layer nor blob, as entries: cache mounts, memories of contexts and exports, leftovers, the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...solver.gc import Entry, EntryType
from ...values import replace
from ...worker import Upkeep, disk_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...leases import LiveLeases
    from ..state import State

__all__ = [
    "context_entries",
    "internal_entries",
    "leftover_entries",
    "mirror_entries",
    "mount_entries",
    "receipt_entries",
]

_LISTED = frozenset({"cache-mounts", "contexts", "exports", "git", "snapshots"})  # entry by entry
_DAMAGED = "state.db.damaged"


def mount_entries(state: State, live: LiveLeases) -> Iterator[Entry]:
    """Cache mounts, under the ids that build files know."""
    for entry in _grown_entries(state, live, "cache-mounts", EntryType.CACHE_MOUNT):
        # Before the slash is a namespace, mostly none.
        yield replace(entry, id=entry.description.removeprefix("/") or entry.id, description="cache mount")


def mirror_entries(state: State, live: LiveLeases) -> Iterator[Entry]:
    """Mirrors of git repositories, which their URLs describe."""
    yield from _grown_entries(state, live, "git", EntryType.GIT_MIRROR)


def _grown_entries(state: State, live: LiveLeases, folder: str, kind: EntryType) -> Iterator[Entry]:
    """Folders that change while they are used. One that was not used since it was measured is not measured again."""
    upkeep = Upkeep(state.database)
    known = upkeep.uses(kind.value)
    for entry in _scan(state.root / folder):
        facts = known.get(entry.name)
        changed_at = entry.stat().st_ctime
        in_use = live.may_use(facts.lease) if facts else live.may_have_made(changed_at)
        if facts is not None and facts.disk_bytes >= 0 and facts.measured == facts.last_used and not in_use:
            size = facts.disk_bytes
        else:
            size = disk_bytes(entry.path)
            if facts is not None and not in_use:
                upkeep.use_measured(kind.value, facts, size)
        yield Entry(
            type=kind,
            id=entry.name,
            size_bytes=size,
            place=entry.path,
            description=facts.id if facts else "",
            created=facts.created if facts else changed_at,
            last_used=facts.last_used if facts else changed_at,
            uses=facts.uses if facts else 0,
            in_use=in_use,
        )


def context_entries(state: State) -> Iterator[Entry]:
    """What is remembered of build contexts. Builds hold it in memory, so it may go at any time."""
    known = Upkeep(state.database).uses(EntryType.LOCAL_SOURCE.value)
    for entry in _scan(state.root / "contexts"):
        facts, found = known.get(entry.name), entry.stat()
        yield Entry(
            type=EntryType.LOCAL_SOURCE,
            id=entry.name,
            size_bytes=disk_bytes(entry.path),
            place=entry.path,
            description=facts.id if facts else "",
            created=facts.created if facts else found.st_mtime,
            last_used=facts.last_used if facts else found.st_mtime,
            uses=facts.uses if facts else 0,
        )


def receipt_entries(state: State) -> Iterator[Entry]:
    """Receipts of exported archives."""
    for entry in _scan(state.root / "exports"):
        written_at = entry.stat().st_mtime
        yield Entry(
            type=EntryType.RECEIPT,
            id=entry.name,
            size_bytes=disk_bytes(entry.path),
            place=entry.path,
            created=written_at,
            last_used=written_at,
        )


def leftover_entries(state: State) -> Iterator[Entry]:
    """What processes left that were killed, and a database that was set aside."""
    halves = [state.layers.path(name) for name in state.layers.names()[1]]
    aside = [entry.path for entry in _scan(state.root) if entry.name.startswith(_DAMAGED)]
    for path in (*halves, *state.content.half_written(), *aside):
        yield Entry(
            type=EntryType.LEFTOVER,
            id=os.path.relpath(path, state.root),
            size_bytes=disk_bytes(path),
            place=path,
            description="left by a process that was killed" if path not in aside else "a damaged database",
        )


def internal_entries(state: State) -> Iterator[Entry]:
    """What a state folder cannot be without; blobs and half-written ones are listed by themselves."""
    for entry in _scan(state.root):
        if entry.name in _LISTED or entry.name.startswith(_DAMAGED):
            continue
        size = disk_bytes(entry.path)
        if entry.name == "content":
            size -= sum(disk_bytes(f"{entry.path}/{part}") for part in ("blobs", "ingest"))
        yield Entry(
            type=EntryType.INTERNAL,
            id=entry.name,
            size_bytes=size,
            place=entry.path,
            permanent=True,
        )


def _scan(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
