"""`llbuild du`: what takes room in the state folder, and what of it could go."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ..solver.gc import EntryType, parse_filter, totals_of
from .listing import add_format, render_json, wants_json
from .parser import CommandParser
from .state import open_state
from .storage import take_inventory
from .tables import render_table
from .text import clip, single_line
from .units import age, human_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..solver.gc import Entry

__all__ = ["FILTER_HELP", "entry_fields", "render_usage", "run"]

FILTER_HELP = "KEY=VALUE, KEY!=VALUE, KEY~=REGEX; by id, type, description, parents, inuse, shared, private, until"
_DESCRIPTION_WIDTH = 50


def run(argv: Sequence[str]) -> int:
    """Show it."""
    parser = CommandParser("du", "Show what takes room in the state folder.", usage="llbuild du [flags]")
    parser.add_flag("-v", "--verbose", help="every entry")
    parser.add_value("--filter", metavar="FILTER", many=True, help=FILTER_HELP)
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    filters = [one for text in found.filter or () for one in parse_filter(text)]
    state, now = open_state(options.root), time.time()
    entries = take_inventory(state, state.leases.live()).entries
    wanted = [entry for entry in entries if all(one.matches(entry, now) for one in filters)]
    sys.stdout.write(render_usage(wanted, verbose=found.verbose, as_json=as_json, now=now))
    return 0


def render_usage(entries: Sequence[Entry], *, now: float, verbose: bool = False, as_json: bool = False) -> str:
    """A line per type, or per entry, and the sums."""
    totals = totals_of(entries)
    if as_json:
        return render_json(
            {
                "entries": [entry_fields(entry) for entry in entries],
                "total_bytes": totals.total,
                "shared_bytes": totals.shared,
                "private_bytes": totals.private,
                "reclaimable_bytes": totals.reclaimable,
            }
        )
    table = _every_entry(entries, now) if verbose else _by_type(entries)
    names = ("Shared", "Private", "Reclaimable", "Total")
    sums = (totals.shared, totals.private, totals.reclaimable, totals.total)
    return table + "\n" + "".join(f"{n + ':':13}{human_size(s)}\n" for n, s in zip(names, sums, strict=True))


def _by_type(entries: Sequence[Entry]) -> str:
    rows = []
    for kind in EntryType:
        group = [entry for entry in entries if entry.type is kind]
        if group:
            totals = totals_of(group)
            sizes = map(human_size, (totals.total, totals.shared, totals.reclaimable))
            rows.append((kind.value, str(len(group)), *sizes))
    return render_table(("TYPE", "COUNT", "SIZE", "SHARED", "RECLAIMABLE"), rows)


def _every_entry(entries: Sequence[Entry], now: float) -> str:
    headings = ("ID", "TYPE", "RECLAIMABLE", "SIZE", "CREATED", "LAST USED", "USES", "DESCRIPTION")
    newest_first = sorted(entries, key=lambda entry: -entry.last_used)
    return render_table(
        headings,
        [
            (
                single_line(entry.short_id),
                entry.type.value,
                "true" if entry.reclaimable else "in use" if entry.in_use else "false",
                human_size(entry.size_bytes) + ("*" if entry.shared else ""),
                _ago(entry.created, now),
                _ago(entry.last_used, now),
                str(entry.uses) if entry.uses else "",
                clip(single_line(entry.description), _DESCRIPTION_WIDTH),
            )
            for entry in newest_first
        ],
    )


def _ago(at: float, now: float) -> str:
    return age(max(0.0, now - at)) if at else ""


def entry_fields(entry: Entry) -> dict[str, object]:
    """An entry for `--format json`. Times are seconds since 1970."""
    return {
        "id": entry.id,
        "type": entry.type.value,
        "description": entry.description,
        "size_bytes": entry.size_bytes,
        "reclaimable": entry.reclaimable,
        "in_use": entry.in_use,
        "images": sorted(entry.images),
        "shared": entry.shared,
        "mutable": entry.mutable,
        "created": entry.created,
        "last_used": entry.last_used,
        "uses": entry.uses,
        "parents": list(entry.parents),
    }
