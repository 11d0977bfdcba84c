"""`llbuild builds rm`: forget builds. Their images, and what later builds reuse, stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import UsageError
from ..parser import CommandParser
from ..state import open_builds

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Forget them, all or none, and print their numbers."""
    parser = CommandParser(
        "builds rm",
        "Forget builds, with their logs. Images and cached results stay.",
        usage="llbuild builds rm [flags] BUILD... | --all",
    )
    parser.add_word("builds", metavar="BUILD", nargs="*", help="its number, or 'last'")
    parser.add_flag("--all", help="every build on record")
    found, options = parser.begin(argv)
    if found.all == bool(found.builds):
        raise UsageError(
            "builds are named, and --all given" if found.all else "a build is missing",
            hint="name builds by their numbers, or give --all",
        )
    history, compilations = open_builds(options.root)
    if found.all:
        numbers = [summary.id for summary in history.summaries()]
    else:
        numbers = [history.number(build) for build in dict.fromkeys(found.builds)]
    history.remove(numbers)
    compilations.forget()  # they would hold what somebody may want gone
    for number in sorted(set(numbers)):
        print(number)
    return 0
