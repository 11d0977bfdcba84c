"""What may be cleaned up, and what is worth it: entries, filters, rules, and the results in the cache store.

Nothing here is loaded by a build that has nothing to clean up. What removes files is elsewhere.
"""

from __future__ import annotations

from .entry import Entry, EntryType, Totals, totals_of
from .filters import Filter, parse_filter
from .quantities import Space, parse_duration, parse_space
from .results import STALE_AGE_S, StoredResult, forget_results, forget_stale_memos, stored_results
from .rules import Disk, Rule, choose, default_rules

__all__ = [
    "STALE_AGE_S",
    "Disk",
    "Entry",
    "EntryType",
    "Filter",
    "Rule",
    "Space",
    "StoredResult",
    "Totals",
    "choose",
    "default_rules",
    "forget_results",
    "forget_stale_memos",
    "parse_duration",
    "parse_filter",
    "parse_space",
    "stored_results",
    "totals_of",
]
