"""Which entries go: rules as in BuildKit's gc policy, and the choice each of them makes.

A rule looks at what its filters mean and nobody needs, least recently used first. Without a limit of space all of that
goes; with one, as much as brings the whole store below the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...values import frozen
from .entry import NEEDS_ALL, EntryType
from .filters import parse_filter
from .quantities import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entry import Entry
    from .filters import Filter

__all__ = ["Disk", "Rule", "choose", "default_rules"]

_HOUR, _DAY = 3600.0, 86400.0
_GB = 10**9


class Disk(NamedTuple):
    """Of the file system that the state folder lies on."""

    total_bytes: int
    free_bytes: int


@frozen
class Rule:
    """`filters`: alternatives, each a group of conditions that must all hold; none: everything.

    `all_types`: also what belongs to the store itself. `keep_duration_s`: what was used within this time stays.
    `max_used_space`: the store may take as much. `min_free_space`: the disk must have as much left. `reserved_space`:
    the store may always take as much, whatever the other two say.
    """

    filters: tuple[tuple[Filter, ...], ...] = ()
    all_types: bool = False
    images: bool = False  # also images, and what only they need; never in a policy
    keep_duration_s: float = 0.0
    reserved_space: Space = Space()
    max_used_space: Space = Space()
    min_free_space: Space = Space()

    @property
    def limited(self) -> bool:
        return bool(self.reserved_space or self.max_used_space or self.min_free_space)

    def covers(self, entry: Entry, now: float) -> bool:
        """Whether the rule may remove the entry."""
        if entry.in_use or entry.permanent or (entry.images and not self.images):
            return False
        if entry.type in NEEDS_ALL and not (self.images if entry.type is EntryType.IMAGE else self.all_types):
            return False
        # A time in the future was written before a clock was set back: nobody knows how old the entry is.
        if self.keep_duration_s and now - entry.last_used < self.keep_duration_s:
            return False
        return not self.filters or any(all(one.matches(entry, now) for one in group) for group in self.filters)

    def keep_bytes(self, used_bytes: int, disk: Disk) -> int:
        """How much the store may take."""
        keep = self.max_used_space.on(disk)
        missing = self.min_free_space.on(disk) - disk.free_bytes
        if missing > 0:
            keep = min(keep, used_bytes - missing) if self.max_used_space else used_bytes - missing
        elif self.min_free_space and not self.max_used_space:
            keep = used_bytes
        return max(keep, self.reserved_space.on(disk))


def choose(entries: Sequence[Entry], rules: Sequence[Rule], disk: Disk, now: float) -> list[Entry]:
    """What the rules remove, one rule after the other, in that order. now: seconds since 1970."""
    chosen: dict[Entry, None] = {}
    for rule in rules:
        left = [entry for entry in entries if entry not in chosen]
        free = disk.free_bytes + sum(entry.frees_bytes for entry in chosen)
        chosen.update(dict.fromkeys(_choose(left, rule, disk._replace(free_bytes=free), now)))
    return list(chosen)


def _choose(entries: Sequence[Entry], rule: Rule, disk: Disk, now: float) -> list[Entry]:
    candidates = [entry for entry in entries if rule.covers(entry, now)]
    # Names of images before what they need, layers before those they lie on.
    candidates.sort(key=lambda entry: (entry.last_used, entry.type is not EntryType.IMAGE, -entry.depth, entry.id))
    used = sum(entry.frees_bytes for entry in entries if not entry.permanent and (rule.images or not entry.images))
    keep = rule.keep_bytes(used, disk) if rule.limited else -1
    chosen: list[Entry] = []
    names: set[str] = set()
    for entry in candidates:
        if used <= keep:
            break
        if entry.images - names:
            continue
        if entry.type is EntryType.IMAGE:
            names.add(entry.id)
        chosen.append(entry)
        used -= entry.frees_bytes
    return chosen


def default_rules(
    disk: Disk, *, reserved: Space | None = None, max_used: Space | None = None, min_free: Space | None = None
) -> tuple[Rule, ...]:
    """BuildKit's. What is made again most easily goes first; then what is old; then what is too much."""
    reserved = reserved or Space(min(disk.total_bytes // 10, 10 * _GB))
    max_used = max_used or Space(min(disk.total_bytes * 8 // 10, 100 * _GB))
    min_free = min_free or Space(percent=20)
    kinds = (EntryType.LOCAL_SOURCE, EntryType.CACHE_MOUNT, EntryType.GIT_CHECKOUT)
    easily_made = tuple(parse_filter(f"type={kind.value}") for kind in kinds)
    return (
        Rule(filters=easily_made, keep_duration_s=48 * _HOUR, max_used_space=Space(512 * 10**6)),
        Rule(keep_duration_s=60 * _DAY, reserved_space=reserved, max_used_space=max_used, min_free_space=min_free),
        Rule(reserved_space=reserved, max_used_space=max_used, min_free_space=min_free),
        Rule(all_types=True, reserved_space=reserved, max_used_space=max_used, min_free_space=min_free),
    )
