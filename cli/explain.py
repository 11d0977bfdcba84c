"""`llbuild explain`: for every step of a build, whether a stored result served, and if not, what was different."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ..errors import NotFoundError
from ..llb import SourceOp
from ..solver import Outcome, Past
from ..values import frozen
from .builds import build_title
from .builds.choice import add_build, add_step, build_and_step
from .listing import add_format, render_json, wants_json
from .parser import CommandParser, suggestion
from .state import open_explanations
from .text import clip, harmless, single_line
from .units import age, human_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..digest import Digest
    from ..llb import Vertex
    from ..solver import BuildRecord, BuildSummary, Derivations, Reason, Step

__all__ = ["OUTCOME_WORDS", "ExplainedStep", "explain_build", "pick_step", "render_explanation", "run"]

_NAME_WIDTH = 96
_OTHER_REASONS = 4  # shown without asking for the step
OUTCOME_WORDS = {
    Outcome.CACHED: "cached",
    Outcome.EXECUTED: "ran",
    Outcome.FAILED: "failed",
    Outcome.CANCELED: "canceled",
    Outcome.UNNEEDED: "spared",
}


@frozen
class ExplainedStep:
    """One vertex of a build. `reasons` is empty for what did not run, and for what no record is kept of any more."""

    number: int  # counted from 1, inputs first
    vertex: Digest
    name: str
    outcome: Outcome
    duration_s: float = 0.0
    reasons: tuple[Reason, ...] = ()


def run(argv: Sequence[str]) -> int:
    """Show it."""
    parser = CommandParser(
        "explain",
        "Say for every step of a build whether a stored result served, and if not, what was different.",
        usage="llbuild explain [flags] [BUILD] [STEP]",
    )
    add_build(parser)
    add_step(parser)
    add_format(parser)
    found, options = parser.begin(argv)
    as_json = wants_json(found)
    history, derivations = open_explanations(options.root)
    build, wanted = build_and_step(found)
    record = history.load(build)
    steps = explain_build(record, derivations)
    chosen = [pick_step(steps, wanted)] if wanted else steps
    if as_json:
        sys.stdout.write(render_json(_fields(record.summary, chosen)))
    else:
        sys.stdout.write(render_explanation(record.summary, chosen, whole=bool(wanted)))
    return 0


def explain_build(record: BuildRecord, derivations: Derivations | None = None) -> list[ExplainedStep]:
    """Every vertex of the build, inputs first; reading the user's folders is no step.

    Without derivations, no reasons.
    """
    outcomes = record.outcomes()
    named = {digest: said.name for definition in record.definitions for digest, said in definition.metadata}
    vertices = {vertex.digest: vertex for definition in record.definitions for vertex in definition.vertices}
    past = None if derivations is None else Past(derivations, record.summary.started)
    steps: list[ExplainedStep] = []
    for digest, vertex in vertices.items():
        step = outcomes.get(digest)
        if step is None or _is_local(vertex):
            continue
        steps.append(
            ExplainedStep(
                number=len(steps) + 1,
                vertex=digest,
                name=single_line(named.get(digest, "")) or digest.short,
                outcome=step.outcome,
                duration_s=step.duration_s,
                reasons=() if past is None else tuple(_reasons(step, record.summary, past)),
            )
        )
    return steps


def _is_local(vertex: Vertex) -> bool:
    return isinstance(vertex.op, SourceOp) and vertex.op.scheme == "local"


def _reasons(step: Step, build: BuildSummary, past: Past) -> list[Reason]:
    if step.outcome not in {Outcome.EXECUTED, Outcome.FAILED}:
        return []
    return past.recorded_reasons(step.vertex, build.completed)


def pick_step(steps: Sequence[ExplainedStep], wanted: str) -> ExplainedStep:
    """The step of that number, or the only one whose name contains the text, or whose digest begins with it.

    Raises NotFoundError naming those there are.
    """
    if wanted.isdecimal():
        found = [step for step in steps if step.number == int(wanted)]
    else:
        found = [step for step in steps if wanted in step.name or step.vertex.hex.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"{step.number}: {clip(step.name, 40)}" for step in (found or steps)[:12])
    if found:
        raise NotFoundError(f"several steps match {wanted!r}", hint=f"choose one by its number: {listed}")
    raise NotFoundError(
        f"the build has no step {wanted!r}{suggestion(wanted, [step.name for step in steps])}", hint=f"it has {listed}"
    )


def render_explanation(
    build: BuildSummary, steps: Sequence[ExplainedStep], *, whole: bool, now: float | None = None
) -> str:
    """For people. `whole`: every reason with all its details."""
    present = time.time() if now is None else now
    when = f"{age(present - build.started)}, {build.status.value} in {human_duration(build.duration_s)}"
    lines = [f"build {build.id}: {build_title(build)}, {when}; {build.executed} ran, {build.cached} cached", ""]
    for step in steps:
        took = f"  {human_duration(step.duration_s)}" if step.outcome in {Outcome.EXECUTED, Outcome.FAILED} else ""
        lines.append(f"{step.number:3d}  {OUTCOME_WORDS[step.outcome]:8}  {clip(step.name, _NAME_WIDTH)}{took}")
        lines += _reason_lines(step, whole=whole)
    return "".join(f"{harmless(line)}\n" for line in lines)


def _reason_lines(step: ExplainedStep, *, whole: bool) -> list[str]:
    indent = " " * 15
    if whole:
        return [
            line
            for reason in step.reasons
            for line in (f"{indent}{reason.summary}", *(f"{indent}  {detail}" for detail in reason.details))
        ]
    shown = [f"{indent}{clip(reason.summary, 120)}" for reason in step.reasons[:_OTHER_REASONS]]
    more = len(step.reasons) - len(shown)
    return [*shown, *([f"{indent}and {more} other reasons"] if more else [])]


def _fields(build: BuildSummary, steps: Sequence[ExplainedStep]) -> dict[str, object]:
    return {
        "build": build.id,
        "steps": [
            {
                "number": step.number,
                "vertex": step.vertex,
                "name": step.name,
                "outcome": OUTCOME_WORDS[step.outcome],
                "duration_s": round(step.duration_s, 6),
                "reasons": [
                    {"cause": reason.cause.value, "summary": reason.summary, "details": list(reason.details)}
                    for reason in step.reasons
                ],
            }
            for step in steps
        ],
    }
