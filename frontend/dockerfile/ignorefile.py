"""`.dockerignore`: one pattern a line, cleaned as a path; what they match is the worker's business."""

from __future__ import annotations

from .paths import clean
from .words import SPACES

__all__ = ["parse_ignore_file"]


def parse_ignore_file(data: bytes) -> tuple[str, ...]:
    """The patterns in order; `!` in front re-includes. A line with `#` first is a comment."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    patterns = []
    for line in text.split("\n"):
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
        patterns.append("!" + pattern if negated else pattern)
    return tuple(patterns)
