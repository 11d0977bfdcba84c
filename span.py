"""Where something stands in a build file. Lines and columns count from 1."""

from __future__ import annotations

from .values import frozen

__all__ = ["Span"]


@frozen(kw_only=False)
class Span:
    """A range of one file: from (line, column) to (end_line, end_column), the end exclusive.

    `end_column` 0 means "to the end of end_line": most callers care for lines only.
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    @property
    def last_line(self) -> int:
        """The last line the span touches (at least `line`)."""
        return max(self.line, self.end_line)
