"""`llbuild prune`: remove what nothing needs, least recently used first, and say what the disk got back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

from ..errors import UsageError
from ..solver.gc import Rule, Space, parse_duration, parse_filter, parse_space
from ..values import frozen
from .du import FILTER_HELP, entry_fields
from .listing import add_format, render_json, wants_json
from .parser import CommandParser, GlobalOptions, read_globals, start_log
from .state import open_state
from .storage import apply_rules
from .tables import render_table
from .text import clip, single_line
from .units import human_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..solver.gc import Filter
    from .parser import Found
    from .storage import Collected

__all__ = ["PruneOptions", "parse_prune", "render_pruned", "run"]

_T = TypeVar("_T")
_DESCRIPTION_WIDTH = 60


@frozen
class PruneOptions:
    """What to remove, and how to say so."""

    globals: GlobalOptions
    rule: Rule
    force: bool = False
    as_json: bool = False


def run(argv: Sequence[str]) -> int:
    """Remove it."""
    options = parse_prune(argv, os.environ)
    start_log(options.globals)
    if not _confirmed(options):
        print("nothing was removed", file=sys.stderr)
        return 1
    state = open_state(options.globals.root)
    pruned = apply_rules(state, lambda _: (options.rule,))
    state.database.settle()
    sys.stdout.write(render_pruned(pruned, as_json=options.as_json))
    return 0


def parse_prune(argv: Sequence[str], environ: Mapping[str, str]) -> PruneOptions:
    """Read `llbuild prune`'s arguments.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser("prune", "Remove what no image and no running build needs.", usage="llbuild prune [flags]")
    parser.add_flag("-a", "--all", help="also images, with all they need, and what registries said")
    parser.add_value("--filter", metavar="FILTER", many=True, help=FILTER_HELP)
    parser.add_value("--keep-duration", metavar="72h", help="keep what was used within this time")
    parser.add_value("--keep-storage", metavar="BYTES", help="the same as --reserved-space")
    parser.add_value("--reserved-space", metavar="BYTES", help="the store may always take as much: 10GB, 20%%")
    parser.add_value("--max-used-space", metavar="BYTES", help="remove until the store takes no more")
    parser.add_value("--min-free-space", metavar="BYTES", help="remove until the disk has as much left")
    parser.add_flag("-f", "--force", help="don't ask")
    add_format(parser)
    found = parser.parse(argv)
    if found.keep_storage and found.reserved_space:
        raise UsageError("--keep-storage and --reserved-space are the same; give one of them")
    rule = Rule(
        filters=_filters(found.filter or ()),
        all_types=found.all,
        images=found.all,
        keep_duration_s=_parsed(found, "keep-duration", parse_duration, 0.0),
        reserved_space=_parsed(
            found, "keep-storage", parse_space, _parsed(found, "reserved-space", parse_space, Space())
        ),
        max_used_space=_parsed(found, "max-used-space", parse_space, Space()),
        min_free_space=_parsed(found, "min-free-space", parse_space, Space()),
    )
    return PruneOptions(globals=read_globals(found, environ), rule=rule, force=found.force, as_json=wants_json(found))


def _filters(texts: Sequence[str]) -> tuple[tuple[Filter, ...], ...]:
    """All of them must hold: one group."""
    conditions = tuple(one for text in texts for one in parse_filter(text))
    return (conditions,) if conditions else ()


def _parsed(found: Found, flag: str, parse: Callable[[str], _T], default: _T) -> _T:
    text: str | None = getattr(found, flag.replace("-", "_"))
    if text is None:
        return default
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"--{flag}: {error}") from None


def _confirmed(options: PruneOptions) -> bool:
    """Images cannot be had again by building: nobody loses them for lack of a terminal to ask on."""
    if options.force:
        return True
    if not sys.stdin.isatty():
        if options.rule.images:
            raise UsageError("prune --all removes images, and there is no terminal to ask on", hint="say --force")
        return True
    what = "all images, and all that was cached" if options.rule.images else "what is cached and no image needs"
    if options.rule.filters or options.rule.limited or options.rule.keep_duration_s:
        what = "what the flags select of " + what
    print(f"This removes {what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def render_pruned(pruned: Collected, *, as_json: bool = False) -> str:
    """What was removed, and the sum."""
    if as_json:
        entries = [entry_fields(entry) for entry in pruned.entries]
        return render_json({"removed": entries, "freed_bytes": pruned.freed_bytes})
    rows = [
        (
            single_line(entry.short_id),
            entry.type.value,
            human_size(entry.frees_bytes),
            clip(single_line(entry.description), _DESCRIPTION_WIDTH),
        )
        for entry in pruned.entries
    ]
    table = render_table(("ID", "TYPE", "SIZE", "DESCRIPTION"), rows) + "\n" if rows else ""
    return f"{table}Total: {human_size(pruned.freed_bytes)}\n"
