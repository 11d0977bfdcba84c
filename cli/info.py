"""`llbuild info`: what this machine has, as far as builds are concerned, and what to do to have more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import __version__
from ..worker.machine import Finding, Level, find_all
from .listing import add_format, render_json, wants_json
from .parser import CommandParser
from .text import single_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["render_info", "run"]

_MARKS = {Level.GOOD: " ", Level.LIMITED: "~", Level.MISSING: "-", Level.BROKEN: "!"}


def run(argv: Sequence[str]) -> int:
    """Print it; 1 when no process can run here."""
    parser = CommandParser(
        *("info", "Say what this machine has for builds, and what to install or enable for more."),
        epilog="Marks: ~ works, with limits; - not there; ! in the way of every RUN, and then the exit code is 1.",
    )
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    findings = (Finding(name="llbuild", value=__version__), *find_all(options.root))
    sys.stdout.write(render_info(findings, as_json=as_json))
    return int(any(finding.level is Level.BROKEN for finding in findings))


def render_info(findings: Sequence[Finding], *, as_json: bool = False) -> str:
    """One line each, with the hint on the next; or a list of objects."""
    if as_json:
        return render_json(
            [
                {"name": finding.name, "level": finding.level.value, "value": finding.value, "hint": finding.hint}
                for finding in findings
            ]
        )
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.level]} {finding.name:{width}}  {single_line(finding.value)}")
        if finding.hint:
            lines.append(f"  {'':{width}}  {finding.hint}")
    return "\n".join(lines) + "\n"
