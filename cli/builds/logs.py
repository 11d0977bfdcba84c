"""`llbuild builds logs`: what the steps of a build printed, as `--progress=plain` shows it, step after step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...solver import Outcome
from ..explain import pick_step
from ..parser import CommandParser
from ..state import open_history
from ..text import single_line
from .choice import add_build, add_step, build_and_step
from .output import log_lines
from .steps import every_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...solver import Step, StepLog
    from ..explain import ExplainedStep

__all__ = ["render_step", "run"]


def run(argv: Sequence[str]) -> int:
    """Print them."""
    parser = CommandParser(
        "builds logs",
        "Print what the steps of a build printed, or one step of it.",
        usage="llbuild builds logs [flags] [BUILD] [STEP]",
    )
    add_build(parser)
    add_step(parser)
    found, options = parser.begin(argv)
    history = open_history(options.root)
    build, wanted = build_and_step(found)
    record = history.load(build)
    steps = every_step(record)
    ran = record.outcomes()
    if wanted:
        step = pick_step(steps, wanted)
        logs = history.logs(record.summary, step.vertex)
        sys.stdout.write(render_step(step, ran[step.vertex], logs[0] if logs else None))
        return 0
    by_vertex = {log.vertex: log for log in history.logs(record.summary)}
    shown = [
        render_step(step, ran[step.vertex], by_vertex.get(step.vertex)) for step in steps if _told(ran[step.vertex])
    ]
    sys.stdout.write("\n".join(shown))
    return 0


def _told(step: Step) -> bool:
    """Whether plain progress tells of it: not of what was never reached."""
    return step.outcome is not Outcome.CANCELED or step.started is not None


def render_step(step: ExplainedStep, ran: Step, log: StepLog | None) -> str:
    """The step's name, its output and its end, each line with the step's number in front."""
    return "".join(f"#{step.number} {line}\n" for line in _lines(step, ran, log))


def _lines(step: ExplainedStep, ran: Step, log: StepLog | None) -> Iterator[str]:
    yield step.name
    if log is not None:
        yield from log_lines(log, ran.started)
    match step.outcome:
        case Outcome.CACHED | Outcome.UNNEEDED:
            yield "CACHED"
        case Outcome.CANCELED:
            yield "CANCELED"
        case Outcome.FAILED:
            yield f"ERROR: {single_line(ran.error)}"
        case Outcome.EXECUTED:
            yield f"DONE {step.duration_s:.1f}s"
