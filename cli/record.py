"""What a finished build leaves in the build history, put together from its events."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .. import __version__
from ..database import storable
from ..errors import LlbuildError, StoreError, first_error
from ..llb import SourceFile, redacted
from ..log import log
from ..solver import BuildDetails, BuildRecord, BuildStatus, BuildSummary, History, Outcome, ProcessUsage, Step
from ..values import replace

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from ..digest import Digest
    from ..errors import BuildWarning
    from ..llb import Definition
    from ..solver import VertexUsage
    from ..span import Span
    from .job import Build, BuildResult
    from .progress import VertexState

__all__ = ["remember_build"]

_LONGEST = 1 << 20  # bytes kept of a build file that is in no definition


def remember_build(
    job: Build, started: float, *, result: BuildResult | None = None, error: BaseException | None = None
) -> int:
    """Record a build that began at `started` and ended now, with a result or with an error; its number, or 0.

    A history that cannot be written is no reason to fail a build that could be made: it is logged only.
    """
    given, definitions = job.compiling.given, job.compiling.view.definitions
    vertices = frozenset(vertex.digest for definition in definitions for vertex in definition.vertices)
    steps = tuple(_step(state, vertices) for state in job.display.trace.vertices.values())
    status, reason = _end(_cause(error))
    outcomes = [step.outcome for step in steps]
    summary = BuildSummary(
        started=started,
        completed=time.time(),
        status=status,
        error=storable(reason),
        names=job.options.tags,
        context=storable(given.context),
        target=given.request.option("target") or "",
        platform=given.request.option("platform") or str(given.request.platform),
        result=result.manifest.digest if result is not None and result.manifest is not None else None,
        cached=outcomes.count(Outcome.CACHED) + outcomes.count(Outcome.UNNEEDED),
        executed=sum(step.outcome is Outcome.EXECUTED and step.vertex in vertices for step in steps),
    )
    details = _details(job, _cause(error), definitions)
    record = BuildRecord(summary=summary, steps=steps, definitions=definitions, details=details)
    gathered = job.display.trace.log
    try:
        number = History(job.state.database).record(record, () if gathered is None else gathered.logs())
    except StoreError as failure:
        log.warning("build_not_recorded", reason=failure.message)
        return 0
    log.debug("build_recorded", build=number, status=status.value)
    return number


def _details(job: Build, cause: BaseException | None, definitions: Sequence[Definition]) -> BuildDetails:
    given, view = job.compiling.given, job.compiling.view
    report, warnings = "", view.all_warnings
    if isinstance(cause, LlbuildError):
        from .failure import failure_text

        report = failure_text(cause, view, job.display.trace)
        warnings = warnings or cause.warnings
    unkept = {} if definitions else view.files  # a definition keeps its build files itself
    return BuildDetails(
        frontend=given.frontend.name,
        options=tuple((storable(name), storable(_shown(name, value))) for name, value in given.request.options.items()),
        version=__version__,
        cpus=len(os.sched_getaffinity(0)),
        limit=job.options.max_parallelism,
        warnings=tuple(map(_storable_warning, warnings)),
        report=storable(report),
        sources=tuple(SourceFile(path=storable(path), data=data[:_LONGEST]) for path, data in unkept.items()),
    )


def _shown(name: str, value: str) -> str:
    """The value of an option of the frontend: a context's URL may hold a password."""
    if name != "context" and not name.startswith("context:"):
        return value
    return redacted(value)


def _storable_warning(warning: BuildWarning) -> BuildWarning:
    return replace(
        warning,
        message=storable(warning.message),
        at=_storable_span(warning.at),
        focus=_storable_span(warning.focus),
    )


def _storable_span(span: Span | None) -> Span | None:
    return None if span is None else replace(span, path=storable(span.path))


def _cause(error: BaseException | None) -> BaseException | None:
    return first_error(error) if isinstance(error, BaseExceptionGroup) else error


def _end(cause: BaseException | None) -> tuple[BuildStatus, str]:
    if cause is None:
        return BuildStatus.COMPLETED, ""
    if isinstance(cause, LlbuildError | OSError):
        return BuildStatus.FAILED, str(cause)
    if isinstance(cause, Exception):
        return BuildStatus.FAILED, f"{type(cause).__name__}: {cause}"
    return BuildStatus.CANCELED, ""


def _step(state: VertexState, vertices: Container[Digest]) -> Step:
    outcome = _outcome(state)
    ran, used = outcome not in {Outcome.CACHED, Outcome.UNNEEDED}, state.usage
    return Step(
        vertex=state.digest,
        outcome=outcome,
        name="" if state.digest in vertices else state.name,
        started=state.started if ran else None,
        completed=state.completed if outcome is not Outcome.UNNEEDED else None,
        error=storable(state.error),
        usage=None if used is None else _usage(used),
    )


def _usage(used: VertexUsage) -> ProcessUsage:
    return ProcessUsage(used.user_s, used.system_s, used.max_rss_bytes, used.read_bytes, used.written_bytes)


def _outcome(state: VertexState) -> Outcome:
    if state.cached:
        return Outcome.CACHED if state.needed else Outcome.UNNEEDED
    if state.canceled or state.completed is None:
        return Outcome.CANCELED
    return Outcome.FAILED if state.error else Outcome.EXECUTED
