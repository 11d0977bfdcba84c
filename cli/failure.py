"""The report of a build, or a compilation, that failed. Loaded only then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..values import replace
from .report import BuildFacts, StepFacts, render_error, render_warnings

if TYPE_CHECKING:
    from ..errors import LlbuildError
    from .job import BuildView
    from .progress import Trace

__all__ = ["failure_text", "report_failure"]


def report_failure(error: LlbuildError, view: BuildView, trace: Trace | None = None, *, debug: bool = False) -> None:
    """Say on stderr what went wrong, with what is known of the build file and the steps."""
    if debug:
        from .edge import print_traceback

        print_traceback(error)
    sys.stderr.write(render_warnings((*error.warnings, *view.said), view.sources))
    sys.stderr.write(failure_text(error, view, trace))
    sys.stderr.flush()


def failure_text(error: LlbuildError, view: BuildView, trace: Trace | None = None) -> str:
    """The report: the step's last output, the place in the build file, the error, a hint."""
    return render_error(error, _facts(view, trace))


def _facts(view: BuildView, trace: Trace | None) -> BuildFacts:
    """Join what the definition and the events know of the steps."""
    said = [pair for definition in view.definitions for pair in definition.metadata]
    steps = {digest: StepFacts(name=meta.name, at=meta.spans[0] if meta.spans else None) for digest, meta in said}
    for digest, state in trace.vertices.items() if trace is not None else ():
        known = steps.get(digest) or StepFacts(name=state.name)
        steps[digest] = replace(known, name=state.name, output=state.tail_text())
    return BuildFacts(sources=view.sources, steps=steps)
