"""`llbuild verify`: is everything that is stored what it claims to be?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import DamagedError
from .listing import add_format, render_json, wants_json
from .parser import CommandParser
from .state import open_state, replace_damaged
from .storage import find_faults, repair
from .text import single_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .storage import Finding

__all__ = ["render_findings", "run"]


def run(argv: Sequence[str]) -> int:
    """Check, and say what was found. 1 when something is wrong that was not mended."""
    parser = CommandParser(
        "verify",
        "Check every blob against its digest, every layer against its record, every image and result for its parts.",
        usage="llbuild verify [flags]",
    )
    parser.add_flag("--repair", help="remove what is wrong: the next build makes it again")
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    state = open_state(options.root)
    try:
        findings = find_faults(state)
    except DamagedError as damage:
        if not found.repair:
            raise
        state.database.close()
        print(f"warning: {replace_damaged(damage)}", file=sys.stderr)
        state = open_state(options.root, userxattr=state.layers.userxattr)
        findings = find_faults(state)
    if found.repair:
        repair(state, findings)
    sys.stdout.write(render_findings(findings, repaired=found.repair, as_json=as_json))
    return 1 if not found.repair and any(finding.kind.fault for finding in findings) else 0


def render_findings(findings: Sequence[Finding], *, repaired: bool = False, as_json: bool = False) -> str:
    """A line each, and one that sums up."""
    faults = sum(finding.kind.fault for finding in findings)
    if as_json:
        fields = [
            {"kind": f.kind.value, "subject": f.subject, "message": f.message, "fault": f.kind.fault} for f in findings
        ]
        return render_json({"findings": fields, "faults": faults, "repaired": repaired})
    lines = [
        f"{'fault' if finding.kind.fault else 'note'}: {finding.kind.value} {single_line(finding.subject)}:"
        f" {single_line(finding.message)}\n"
        for finding in findings
    ]
    if not faults:
        return "".join([*lines, "everything is as it should be\n"])
    end = "removed" if repaired else "'llbuild verify --repair' removes what is wrong"
    return "".join([*lines, f"{faults} fault{'s' if faults > 1 else ''}: {end}\n"])
