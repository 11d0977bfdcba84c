"""`llbuild builds ls`: the builds made here, newest first, and how they ended."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from ..image.catalogue import split_name
from ..listing import add_format, render_json, wants_json
from ..parser import CommandParser
from ..progress.rawjson import rfc3339
from ..state import open_history
from ..tables import render_table
from ..text import clip
from ..units import age, human_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...solver import BuildSummary

__all__ = ["build_title", "render_builds", "run", "summary_fields"]

_NAME_WIDTH = 50


def run(argv: Sequence[str]) -> int:
    """List them."""
    from .command import COMMANDS

    parser = CommandParser(
        "builds ls",
        "List the builds made here, newest first.",
        usage="llbuild builds [ls] [flags]",
        epilog=f"Other commands: {', '.join(name for name in COMMANDS if name != 'ls')}."
        " 'llbuild builds COMMAND --help' explains one.",
    )
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    sys.stdout.write(render_builds(open_history(options.root).summaries(), as_json=as_json))
    return 0


def render_builds(builds: Sequence[BuildSummary], *, as_json: bool = False, now: float | None = None) -> str:
    """The list, as a table or as a JSON array."""
    if as_json:
        return render_json([summary_fields(build) for build in builds])
    present = time.time() if now is None else now
    headings = ("ID", "STARTED", "NAME", "STATUS", "CACHED", "EXECUTED", "DURATION")
    return render_table(headings, [_cells(build, present) for build in builds])


def build_title(build: BuildSummary) -> str:
    """What people call a build: the names of its image, else where it came from."""
    if build.names:
        return ", ".join(":".join(part for part in split_name(name) if part != "latest") for name in build.names)
    place = os.path.basename(build.context) or build.context or "(a definition)"
    return f"{place} ({build.target})" if build.target else place


def _cells(build: BuildSummary, now: float) -> tuple[str, ...]:
    return (
        str(build.id),
        age(now - build.started),
        clip(build_title(build), _NAME_WIDTH),
        build.status.value,
        str(build.cached),
        str(build.executed),
        human_duration(build.duration_s),
    )


def summary_fields(build: BuildSummary) -> dict[str, object]:
    """A build as JSON has it."""
    return {
        "id": build.id,
        "started": rfc3339(build.started),
        "completed": rfc3339(build.completed),
        "duration_s": round(build.duration_s, 6),
        "status": build.status.value,
        "error": build.error,
        "names": list(build.names),
        "context": build.context,
        "target": build.target,
        "platform": build.platform,
        "result": build.result,
        "cached_steps": build.cached,
        "executed_steps": build.executed,
    }
