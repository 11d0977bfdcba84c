"""What takes room in the state folder, and its removal: the part of `du`, `prune` and gc that knows all the stores."""

from __future__ import annotations

from .collect import Collected, collect
from .inventory import Inventory, take_inventory

__all__ = ["Collected", "Inventory", "collect", "take_inventory"]
