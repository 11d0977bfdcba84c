"""`.dockerignore`: one pattern a line, cleaned as a path; what they match is the worker's business."""

from __future__ import annotations

from ...errors import SourceError
from .paths import clean
from .source import MAX_LINE
from .words import SPACES

__all__ = ["MAX_PATTERNS", "parse_ignore_file"]

MAX_PATTERNS = 50_000  # each is tried on every file of the context


def parse_ignore_file(data: bytes) -> tuple[str, ...]:
    """The patterns in order; `!` in front re-includes. A line with `#` first is a comment.

    Raises SourceError: more patterns than make sense, or a line too long to be one.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    patterns: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE:
            raise _refused(f"line {number} is longer than {MAX_LINE} characters")
        if line.startswith("#"):
            continue
        pattern = line.strip(SPACES)
        if not pattern:
            continue
        negated = pattern.startswith("!")
        if negated:
            pattern = pattern[1:].strip(SPACES)
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        if len(patterns) == MAX_PATTERNS:
            raise _refused(f"it holds more than {MAX_PATTERNS:,} patterns")
        patterns.append("!" + pattern if negated else pattern)
    return tuple(patterns)


def _refused(message: str) -> SourceError:
    hint = "name folders instead of the files in them"
    return SourceError(f"the ignore file cannot be used: {message}", ref=".dockerignore", hint=hint)
