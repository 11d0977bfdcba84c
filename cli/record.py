"""What a finished build leaves in the build history, put together from its events."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ..errors import LlbuildError, StoreError, first_error
from ..log import log
from ..solver import BuildRecord, BuildStatus, BuildSummary, History, Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Container

    from ..digest import Digest
    from .job import Build, BuildResult
    from .progress import VertexState

__all__ = ["remember_build"]


def remember_build(
    job: Build, started: float, *, result: BuildResult | None = None, error: BaseException | None = None
) -> None:
    """Record a build that began at `started` and ended now, with a result or with an error.

    A history that cannot be written is no reason to fail a build that could be made: it is logged only.
    """
    given, definition = job.compiling.given, job.compiling.view.definition
    definitions = () if definition is None else (definition,)
    vertices = frozenset(vertex.digest for definition in definitions for vertex in definition.vertices)
    steps = tuple(_step(state, vertices) for state in job.display.trace.vertices.values())
    status, reason = _end(error)
    outcomes = [step.outcome for step in steps]
    summary = BuildSummary(
        started=started,
        completed=time.time(),
        status=status,
        error=_storable(reason),
        names=job.options.tags,
        context=_storable(os.path.abspath(given.folders["context"])) if "context" in given.folders else "",
        target=given.request.option("target") or "",
        platform=str(given.request.platform),
        result=result.manifest.digest if result is not None and result.manifest is not None else None,
        cached=outcomes.count(Outcome.CACHED) + outcomes.count(Outcome.UNNEEDED),
        executed=sum(step.outcome is Outcome.EXECUTED and step.vertex in vertices for step in steps),
    )
    try:
        number = History(job.state.database).record(BuildRecord(summary=summary, steps=steps, definitions=definitions))
    except StoreError as failure:
        log.warning("build_not_recorded", reason=failure.message)
    else:
        log.debug("build_recorded", build=number, status=status.value)


def _end(error: BaseException | None) -> tuple[BuildStatus, str]:
    cause = first_error(error) if isinstance(error, BaseExceptionGroup) else error
    if cause is None:
        return BuildStatus.COMPLETED, ""
    if isinstance(cause, LlbuildError | OSError):
        return BuildStatus.FAILED, str(cause)
    if isinstance(cause, Exception):
        return BuildStatus.FAILED, f"{type(cause).__name__}: {cause}"
    return BuildStatus.CANCELED, ""


def _step(state: VertexState, vertices: Container[Digest]) -> Step:
    outcome = _outcome(state)
    ran = outcome not in {Outcome.CACHED, Outcome.UNNEEDED}
    return Step(
        vertex=state.digest,
        outcome=outcome,
        name="" if state.digest in vertices else state.name,
        started=state.started if ran else None,
        completed=state.completed if ran else None,
        error=_storable(state.error),
    )


def _outcome(state: VertexState) -> Outcome:
    if state.cached:
        return Outcome.CACHED if state.needed else Outcome.UNNEEDED
    if state.canceled or state.completed is None:
        return Outcome.CANCELED
    return Outcome.FAILED if state.error else Outcome.EXECUTED


def _storable(text: str) -> str:
    """UTF-8 can hold it: names of files need not be text."""
    return text if text.isascii() else text.encode(errors="replace").decode()
