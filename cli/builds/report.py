"""`llbuild builds report`: a page about a build, or its trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import LlbuildError, UsageError
from ...image import Descriptor
from ..image.catalogue import load_image, open_content
from ..image.history import history_lines
from ..parser import CommandParser, suggestion
from ..results import check_writable, write_result
from ..state import open_explanations
from .choice import add_build
from .steps import every_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...solver import BuildSummary
    from ..page import LayerSize

__all__ = ["run"]

_STDOUT = "-"
_FILES = {"html": "llbuild-report-{}.html", "chrome-trace": "llbuild-trace-{}.json"}


def run(argv: Sequence[str]) -> int:
    """Write it, and print where to."""
    parser = CommandParser(
        "builds report",
        "Write a page about a build: what ran when, what it waited for, what was cached, sizes, logs, warnings.",
        usage="llbuild builds report [flags] [BUILD]",
    )
    add_build(parser)
    parser.add_value("--format", metavar="|".join(_FILES), help="a page, or a trace for Perfetto (default: html)")
    parser.add_value(
        "-o", "--output", metavar="FILE", help=f"default: {_FILES['html'].format('ID')} in this folder; - is stdout"
    )
    found, options = parser.begin(argv)
    form = found.format or "html"
    if form not in _FILES:
        known = ", ".join(_FILES)
        raise UsageError(f"--format {form!r}{suggestion(form, _FILES)}; expected one of {known}")
    history, derivations = open_explanations(options.root)
    record = history.load(found.build)
    output = found.output or _FILES[form].format(record.summary.id)
    if output != _STDOUT:
        check_writable(output)
    from ..page import Subject, render_page, render_trace

    subject = Subject(
        record=record,
        steps=tuple(every_step(record, derivations)),
        logs=history.logs(record.summary),
        layers=_layers(record.summary, options.root),
    )
    written = (render_page if form == "html" else render_trace)(subject).encode(errors="replace")
    if output == _STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
    else:
        write_result(output, written)
        print(output)
    return 0


def _layers(build: BuildSummary, root: str) -> tuple[LayerSize, ...] | None:
    """The result's layers, bottom first; None when the image is gone, or was never kept here."""
    from ..page import LayerSize

    if build.result is None:
        return None
    store = open_content(root)
    try:
        descriptor = Descriptor(media_type="", digest=build.result, size_bytes=0)
        image = load_image(store, next(iter(build.names), build.result), descriptor)
    except (LlbuildError, OSError):
        return None
    lines = history_lines(store, image, lambda _, layer: layer.size_bytes)
    return tuple(
        LayerSize(created_by=line.step.created_by, size_bytes=line.size_bytes)
        for line in lines
        if line.layer is not None
    )
