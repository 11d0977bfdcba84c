"""`llbuild builds show`: one build, for reading or as JSON."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ...solver import Cause, Outcome
from ..explain import OUTCOME_WORDS
from ..listing import add_format, render_json, wants_json
from ..parser import CommandParser
from ..report import render_warnings
from ..state import open_explanations
from ..text import clip, harmless, single_line
from ..units import age, human_duration, human_usage
from .choice import add_build
from .document import build_document
from .listing import build_title
from .steps import every_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...solver import BuildRecord, BuildSummary, Step
    from ..explain import ExplainedStep

__all__ = ["local_time", "render_build", "run"]

_NAME_WIDTH = 96
_REASON_WIDTH = 100


def run(argv: Sequence[str]) -> int:
    """Show it."""
    parser = CommandParser(
        "builds show",
        "Show a build: what was asked, what became of each step, warnings, the error.",
        usage="llbuild builds show [flags] [BUILD]",
    )
    add_build(parser)
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    history, derivations = open_explanations(options.root)
    record = history.load(found.build)
    steps = every_step(record, derivations)
    sys.stdout.write(render_json(build_document(record, steps)) if as_json else render_build(record, steps))
    return 0


def render_build(record: BuildRecord, steps: Sequence[ExplainedStep], now: float | None = None) -> str:
    """For people."""
    present = time.time() if now is None else now
    build = record.summary
    ran = record.outcomes()
    lines = [f"build {build.id}: {single_line(build_title(build))}", ""]
    lines += [f"{f'{name}:':11} {single_line(value)}" for name, value in _facts(record, present) if value]
    if record.details.options:
        lines.append("options:")
        lines += [f"  {single_line(f'{name}={value}')}" for name, value in record.details.options]
    if steps:
        lines += ["", "steps:", *(line for step in steps for line in _step_lines(step, ran.get(step.vertex)))]
    text = "".join(f"{line}\n" for line in lines)
    warnings = render_warnings(record.details.warnings, _texts(record))
    report = record.details.report or (f"error: {single_line(build.error)}\n" if build.error else "")
    return text + warnings + (f"\n{harmless(report)}" if report else "")


def _facts(record: BuildRecord, now: float) -> Iterator[tuple[str, str]]:
    build, details = record.summary, record.details
    yield "status", build.status.value
    yield "started", f"{local_time(build)} ({age(now - build.started)})"
    yield "duration", human_duration(build.duration_s)
    yield "context", build.context
    yield "frontend", details.frontend
    yield "target", build.target
    yield "platform", build.platform
    yield "names", ", ".join(build.names)
    yield "result", build.result or ""
    yield "executed", str(build.executed)
    yield "cached", str(build.cached)
    yield "llbuild", details.version
    yield "machine", f"{details.cpus} CPUs" if details.cpus else ""


def local_time(build: BuildSummary) -> str:
    """When the build began, where this machine is."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(build.started))


def _step_lines(step: ExplainedStep, ran: Step | None) -> Iterator[str]:
    took = f"  {human_duration(step.duration_s)}" if step.outcome in {Outcome.EXECUTED, Outcome.FAILED} else ""
    yield f" {step.number:3d}  {OUTCOME_WORDS[step.outcome]:8}  {clip(step.name, _NAME_WIDTH)}{took}"
    if ran is not None and ran.usage is not None:
        yield f"{' ' * 16}{human_usage(ran.usage)}"
    for reason in step.reasons[:1]:
        if reason.cause is Cause.NEW:  # that of every step of a first build
            continue
        yield f"{' ' * 16}{clip(single_line(reason.summary), _REASON_WIDTH)}"


def _texts(record: BuildRecord) -> dict[str, str]:
    return {path: source.data.decode(errors="replace") for path, source in record.sources().items()}
