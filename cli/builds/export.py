"""`llbuild builds export`: everything known of a build as one JSON file, to keep or to hand on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..listing import render_json
from ..parser import CommandParser
from ..results import check_writable, write_result
from ..state import open_explanations
from .choice import add_build
from .document import whole_document
from .steps import every_step

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Write it."""
    parser = CommandParser(
        "builds export",
        "Write everything known of a build as JSON: steps, reasons, definition, build files, logs.",
        usage="llbuild builds export [flags] [BUILD]",
    )
    add_build(parser)
    parser.add_value("-o", "--output", metavar="FILE", help="write it to FILE instead of stdout")
    found, options = parser.begin(argv)
    if found.output:
        check_writable(found.output)
    history, derivations = open_explanations(options.root)
    record = history.load(found.build)
    document = render_json(whole_document(record, every_step(record, derivations), history.logs(record.summary)))
    if found.output:
        write_result(found.output, document)
    else:
        sys.stdout.write(document)
    return 0
