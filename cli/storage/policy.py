"""The rules of a config file, and applying rules to a state folder."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ...errors import StoreError
from ...solver.gc import Disk, choose, default_rules
from .collect import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...solver.gc import Entry, Rule
    from ..config.values import GcConfig
    from ..state import State
    from .collect import Collected

__all__ = ["apply_rules", "disk_of", "rules_of"]


def rules_of(config: GcConfig, disk: Disk) -> Sequence[Rule]:
    """The policy of the config file, or BuildKit's with the caps of the config file."""
    return config.policy or default_rules(
        disk, reserved=config.reserved_space, max_used=config.max_used_space, min_free=config.min_free_space
    )


def apply_rules(state: State, rules: Callable[[Disk], Sequence[Rule]]) -> Collected:
    """Remove what the rules choose. Raises StoreError."""
    disk = disk_of(state)
    wanted, now = rules(disk), time.time()

    def chosen(entries: Sequence[Entry]) -> list[Entry]:
        return choose(entries, wanted, disk, now)

    return collect(state, chosen)


def disk_of(state: State) -> Disk:
    """Raises StoreError."""
    try:
        found = os.statvfs(state.folder)
    except OSError as error:
        raise StoreError(f"cannot look at the disk of {state.folder}: {error.strerror}") from None
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
