"""A build as JSON: what `show --format json` prints, and the whole of it, which `export` writes.

The format is described in docs/formats.md.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from ...llb import encode_definition
from ...solver import ProcessUsage
from ...values import value_fields
from ..explain import OUTCOME_WORDS
from ..progress.rawjson import rfc3339
from .listing import summary_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import BuildWarning
    from ...solver import BuildRecord, Step, StepLog
    from ..explain import ExplainedStep

__all__ = ["build_document", "whole_document"]

_VERSION = 1


def build_document(record: BuildRecord, steps: Sequence[ExplainedStep]) -> dict[str, object]:
    """The build but for its log, its definitions and the contents of its build files."""
    details = record.details
    ran = record.outcomes()
    inputs = {
        vertex.digest: list(dict.fromkeys(edge.vertex for edge in vertex.inputs))
        for definition in record.definitions
        for vertex in definition.vertices
    }
    return {
        **summary_fields(record.summary),
        "frontend": details.frontend,
        "options": dict(details.options),
        "llbuild": details.version,
        "cpus": details.cpus,
        "max_parallelism": details.limit,
        "warnings": [_warning(warning) for warning in details.warnings],
        "report": details.report,
        "sources": sorted(record.sources()),
        "steps": [_step(step, ran[step.vertex], inputs.get(step.vertex, [])) for step in steps],
    }


def whole_document(record: BuildRecord, steps: Sequence[ExplainedStep], logs: Sequence[StepLog]) -> dict[str, object]:
    """Everything that is known of the build."""
    return {
        "version": _VERSION,
        **build_document(record, steps),
        "sources": [
            {"filename": source.path, "data": b64encode(source.data).decode()} for source in record.sources().values()
        ],
        "definitions": [b64encode(encode_definition(definition)).decode() for definition in record.definitions],
        "logs": [_log(log) for log in logs],
    }


def _step(step: ExplainedStep, ran: Step, inputs: Sequence[str]) -> dict[str, object]:
    return {
        "number": step.number,
        "vertex": step.vertex,
        "name": step.name,
        "inputs": list(inputs),
        "outcome": OUTCOME_WORDS[step.outcome],
        "started": None if ran.started is None else rfc3339(ran.started),
        "completed": None if ran.completed is None else rfc3339(ran.completed),
        "duration_s": round(ran.duration_s, 6),
        "error": ran.error,
        "usage": None if ran.usage is None else _usage(ran.usage),
        "reasons": [
            {"cause": reason.cause.value, "summary": reason.summary, "details": list(reason.details)}
            for reason in step.reasons
        ],
    }


def _usage(usage: ProcessUsage) -> dict[str, object]:
    return {name: getattr(usage, name) for name, _, _ in value_fields(ProcessUsage)}


def _warning(warning: BuildWarning) -> dict[str, object]:
    at = warning.at
    return {
        "rule": warning.rule,
        "message": warning.message,
        "url": warning.url,
        "path": None if at is None else at.path,
        "line": None if at is None else at.line,
        "end_line": None if at is None else at.last_line,
    }


def _log(log: StepLog) -> dict[str, object]:
    """Chunks as in BuildKit's VertexLog."""
    chunks = [
        {"stream": chunk.stream, "timestamp": rfc3339(chunk.at), "data": b64encode(chunk.data).decode()}
        for chunk in log.chunks
    ]
    return {
        "vertex": log.vertex,
        "chunks": chunks,
        "dropped_bytes": log.dropped_bytes,
        "dropped_after": len(log.head) if log.dropped_bytes else None,
    }
