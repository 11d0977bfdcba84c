"""What lint found, for people, for programs and for GitHub. Pure: values in, text out."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .locations import encoded, location, without_empty
from .report import render_warnings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import BuildWarning, DockerfileError
    from ..frontend import LintResult
    from ..span import Span

__all__ = ["findings_github", "findings_json", "findings_plain"]


def findings_plain(result: LintResult, sources: Mapping[str, str]) -> str:
    """In order of the file, each with its lines. The error, if there is one, is not in it: it goes to stderr."""
    if not result.warnings:
        return "" if result.error is not None else "no findings\n"
    return render_warnings(_in_order(result), sources, brief=False).lstrip("\n")


def _in_order(result: LintResult) -> list[BuildWarning]:
    return sorted(result.warnings, key=lambda warning: warning.at.line if warning.at is not None else 0)


def findings_json(result: LintResult, path: str, data: bytes) -> str:
    """BuildKit's lint.LintResults; path and data are the build file's.

    Beside the lines, `focus` has the columns of what a finding is about, from 1, the end exclusive.
    """
    document: dict[str, Any] = {
        "warnings": [_warning(warning) for warning in result.warnings],
        "sources": [{"filename": path, "language": "Dockerfile", "data": encoded(data)}],
    }
    if result.error is not None:
        document["buildError"] = {"message": result.error.message, "location": location(result.error.at)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _warning(warning: BuildWarning) -> dict[str, Any]:
    focus = warning.focus
    return without_empty(
        {
            "ruleName": warning.rule,
            "description": warning.description,
            "url": warning.url,
            "detail": warning.message,
            "location": location(warning.at),
            "focus": {} if focus is None else _columns(focus),
        }
    )


def _columns(focus: Span) -> dict[str, int]:
    places = {"line": focus.line, "column": focus.column, "endLine": focus.last_line, "endColumn": focus.end_column}
    return {key: number for key, number in places.items() if number}


def findings_github(result: LintResult, folder: str) -> str:
    """Workflow commands: GitHub shows each finding at its line of a change. folder: where the build file lies."""
    lines = [
        _command("warning", warning.focus or warning.at, warning.rule, warning.message, folder)
        for warning in _in_order(result)
    ]
    if result.error is not None:
        lines.append(_error(result.error, folder))
    return "".join(lines)


def _error(error: DockerfileError, folder: str) -> str:
    hint = f"\nhint: {error.hint}" if error.hint else ""
    return _command("error", error.at, "Dockerfile", error.message + hint, folder)


def _command(kind: str, at: Span | None, title: str, message: str, folder: str) -> str:
    fields: dict[str, str] = {}
    if at is not None:
        fields = {
            "file": os.path.normpath(os.path.join(folder, at.path)),
            "line": str(at.line),
            "endLine": str(at.last_line),
        }
        if at.end_column and at.last_line == at.line:  # GitHub takes columns within one line only
            fields |= {"col": str(at.column), "endColumn": str(at.end_column - 1)}
    fields["title"] = title
    properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in fields.items())
    return f"::{kind} {properties}::{_escaped(message)}\n"


def _escaped(text: str, further: str = "") -> str:
    for char in "%\r\n" + further:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
