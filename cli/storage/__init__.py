"""What takes room in the state folder, and its removal: the part of `du`, `prune` and gc that knows all the stores."""

from __future__ import annotations

from .collect import Collected, collect
from .inventory import Inventory, take_inventory
from .policy import apply_rules, disk_of, rules_of
from .verification import Finding, Kind, find_faults, repair

__all__ = [
    "Collected",
    "Finding",
    "Inventory",
    "Kind",
    "apply_rules",
    "collect",
    "disk_of",
    "find_faults",
    "repair",
    "rules_of",
    "take_inventory",
]
