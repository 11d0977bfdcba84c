"""What went wrong, told in the user's terms: the step's last output, the place in the build file, one line, a hint.

Pure: values and texts in, text out. Layout as BuildKit's error reports.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import BuildError, ConfigError, DockerfileError, ExecError, LlbuildError, VertexError, causes
from ..values import frozen
from .text import cell_width, clip, harmless, single_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..digest import Digest
    from ..frontend import BuildWarning
    from ..span import Span

__all__ = ["BuildFacts", "StepFacts", "excerpt", "render_error", "render_warnings"]

_RULE = "--------------------\n"
_MOST_LINES = 24  # of one place; a heredoc can be any length
_WIDEST_LINE = 160
_MOST_EXCERPTS = 10


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@frozen
class StepFacts:
    """What is known of a failed vertex: its name, where it stands, the end of its output."""

    name: str
    at: Span | None = None
    output: tuple[str, ...] = ()


@frozen
class BuildFacts:
    """What a report can draw on: build files by path, and steps by vertex."""

    sources: Mapping[str, str] = _NOTHING
    steps: Mapping[Digest, StepFacts] = _NOTHING


def render_error(error: LlbuildError, facts: BuildFacts | None = None) -> str:
    """The whole report; its last lines are `error: …` and, if there is one, `hint: …`. Of several failures, each."""
    facts = facts or BuildFacts()
    if isinstance(error, BuildError):
        reports = [render_error(each, facts) for each in error.errors]
        return "\n".join([*reports, f"error: {_prose(error.message)}\n"])
    chain = causes(error)
    step = _step(chain, facts)
    parts = []
    if step is not None and step.output:
        parts.append(_output(step))
    located = next((link for link in chain if isinstance(link, DockerfileError | ConfigError)), None)
    at = located.at if located is not None else step.at if step is not None else None
    sources = {located.at.path: located.source} if isinstance(located, ConfigError) else facts.sources
    if at is not None and at.path in sources:
        parts.append(excerpt(sources[at.path], at, caret=None if located is None else located.at))
    parts.append(f"error: {_message(error, step, located)}\n")
    hint = next((link.hint for link in chain if link.hint), "")
    if hint:
        parts.append(f"hint: {_prose(hint)}\n")
    return "".join(parts)


def _step(chain: Iterable[LlbuildError], facts: BuildFacts) -> StepFacts | None:
    for link in chain:
        if isinstance(link, VertexError) and link.vertex in facts.steps:
            return facts.steps[link.vertex]
    return None


def _message(error: LlbuildError, step: StepFacts | None, located: DockerfileError | ConfigError | None) -> str:
    """One line (or the message's own), naming the step or the place if the message does not."""
    text = str(error)
    if located is not None and located is not error and str(located) not in text:
        text = f"{text}: {located}"
    elif isinstance(error, VertexError) and not isinstance(error, ExecError):
        cause = _reason(error.__cause__)
        if cause and cause not in text:
            text = f"{text}: {cause}"
    text = _prose(text)
    if step is not None and single_line(step.name) not in text:
        text = f"{single_line(step.name)}: {text}"
    return text


def _reason(cause: BaseException | None) -> str:
    if isinstance(cause, OSError):
        reason = cause.strerror or str(cause)
        return f"{cause.filename}: {reason}" if isinstance(cause.filename, str) else reason
    return str(cause) if isinstance(cause, LlbuildError) else ""


def _prose(text: str) -> str:
    """Harmless; further lines are indented, so that they cannot pass for another report."""
    return "\n  ".join(line.rstrip() for line in harmless(text).strip().splitlines())


def _output(step: StepFacts) -> str:
    lines = "".join(f"{harmless(line)}\n" for line in step.output)
    return f"------\n > {single_line(step.name)}:\n{lines}------\n"


def excerpt(source: str, at: Span, *, caret: Span | None) -> str:
    """The lines of `at` marked with >>>, with some around them; below the first line of `caret`, its columns.

    Empty when the file has no such line.
    """
    lines = source.splitlines()
    if not 1 <= at.line <= len(lines):
        return ""
    last = min(at.last_line, len(lines))
    around = 2 if last == at.line else 1
    shown_last = min(last, at.line + _MOST_LINES - 1)
    rows = [f"{single_line(at.path)}:{at.line}\n", _RULE]
    for number in range(max(1, at.line - around), min(len(lines), shown_last + around) + 1):
        if number > shown_last and shown_last < last:
            rows.append(f"     |     … {last - shown_last} more lines\n")
            break
        text = lines[number - 1]
        mark = ">>>" if at.line <= number <= last else "   "
        start = _window_start(caret) if caret is not None and number == caret.line else 0
        rows.append(f" {number:3d} | {mark} {_window(text, start)}".rstrip() + "\n")
        if caret is not None and number == caret.line:
            rows.append(f"     |     {_caret(text, caret, start)}\n")
    return "".join([*rows, _RULE])


def _window_start(at: Span) -> int:
    """Where to begin showing a line, so that the column pointed at is in sight."""
    return 0 if at.column <= _WIDEST_LINE - 20 else at.column - _WIDEST_LINE // 2


def _window(text: str, start: int) -> str:
    return clip(_visible("…" + text[start:] if start else text), _WIDEST_LINE)


def _visible(text: str) -> str:
    """One column or more per character, so that a caret below finds its place."""
    return "".join(char if char == "\t" or char.isprintable() else "\ufffd" for char in text).expandtabs(8)


def _caret(text: str, at: Span, start: int) -> str:
    """Spaces up to the column, then a ^ for each column of the span that is on this line."""
    first = min(at.column, len(text) + 1) - 1
    end = first + 1
    if at.end_column and at.last_line == at.line:
        end = min(max(end, at.end_column - 1), max(len(text), end))
    lead = ("…" if start else "") + text[start:first]
    before = cell_width(_visible(lead))
    width = cell_width(_visible(lead + text[first:end])) - before
    return " " * before + "^" * max(1, min(width, _WIDEST_LINE - before))


def render_warnings(warnings: Sequence[BuildWarning], sources: Mapping[str, str], *, brief: bool = True) -> str:
    """What the author of the build file may want to change, each with its place; nothing for none.

    brief: no excerpts where there are many.
    """
    if not warnings:
        return ""
    parts = [f"\n{len(warnings)} warning{'s' if len(warnings) > 1 else ''} found:\n"]
    for warning in warnings:
        place = f" ({single_line(warning.at.path)}:{warning.at.line})" if warning.at is not None else ""
        url = f"\n   see {single_line(warning.url)}" if warning.url else ""
        parts.append(f" - {single_line(warning.rule)}: {_prose(warning.message)}{place}{url}\n")
        if warning.at is not None and warning.at.path in sources and not (brief and len(warnings) > _MOST_EXCERPTS):
            parts.append(excerpt(sources[warning.at.path], warning.at, caret=warning.focus))
    return "".join(parts)
