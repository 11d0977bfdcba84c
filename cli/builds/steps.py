"""All that a build did, numbered: the steps of `llbuild explain`, and what that leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..explain import ExplainedStep, explain_build
from ..text import single_line

if TYPE_CHECKING:
    from ...solver import BuildRecord, Derivations

__all__ = ["every_step"]


def every_step(record: BuildRecord, derivations: Derivations | None = None) -> list[ExplainedStep]:
    """The steps with the numbers they have everywhere, then the others: reading folders, asking registries, exporting.

    derivations: to know the reasons of misses; None: nobody asks for them.
    """
    steps = explain_build(record, derivations)
    known = {step.vertex for step in steps}
    named = {digest: said.name for definition in record.definitions for digest, said in definition.metadata}
    for step in record.steps:
        if step.vertex not in known:
            steps.append(
                ExplainedStep(
                    number=len(steps) + 1,
                    vertex=step.vertex,
                    name=single_line(step.name or named.get(step.vertex, "")) or step.vertex.short,
                    outcome=step.outcome,
                    duration_s=step.duration_s,
                )
            )
    return steps
