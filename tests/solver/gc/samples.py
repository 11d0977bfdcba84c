"""Entries for tests of rules and filters."""

from __future__ import annotations

from typing import Any

from llbuild.solver.gc import Entry, EntryType

__all__ = ["NOW", "entry"]

NOW = 1_000_000.0


def entry(name: str, size_bytes: int = 10, *, age_s: float = 0.0, **rest: Any) -> Entry:
    """An entry that was last used so long before NOW; a layer unless `type` says otherwise."""
    rest.setdefault("type", EntryType.REGULAR)
    return Entry(id=name, size_bytes=size_bytes, last_used=NOW - age_s, **rest)
