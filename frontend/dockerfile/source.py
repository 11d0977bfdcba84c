"""The text of a Dockerfile as logical lines: continuations joined, comments and blank lines gone.

Every character of a logical line still knows where it stood, so errors can point at it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BLANKS", "MAX_BYTES", "MAX_LINE", "MAX_WORDS", "Line", "Word", "decode_source"]

MAX_BYTES = 16 << 20
_MOST_MENTIONS = 200  # of variables in a word
MAX_LINE = 65535  # BuildKit's; a longer line is a sign of something that is not a Dockerfile
MAX_WORDS = 100_000  # in a file; bounds memory: a word of one letter takes 200 bytes with its place
# What separates words on a logical line (never a newline: it has none).
BLANKS = "\t\v\f\r "


class Line:
    """One instruction's text, put together from pieces of physical lines.

    `starts[i]` is the offset in `text` of the i-th piece, `lines[i]` the number of its physical line, from 1. The first
    piece stood `indent` characters in; every other one from the first column on.
    """

    __slots__ = ("indent", "last", "lines", "path", "pinned", "replaced", "starts", "text")

    def __init__(
        self, path: str, text: str, starts: Sequence[int], lines: Sequence[int], indent: int, last: int
    ) -> None:
        self.path = path
        self.text = text
        self.starts = starts
        self.lines = lines
        self.indent = indent
        self.last = last  # physical line, heredoc bodies included
        self.replaced = False  # bytes that were not UTF-8 became U+FFFD
        self.pinned: Span | None = None  # an ONBUILD trigger's every place is the FROM that runs it

    @property
    def first(self) -> int:
        """Its first physical line."""
        return self.lines[0]

    @property
    def at(self) -> Span:
        """The whole instruction, as whole lines."""
        if self.pinned is not None:
            return self.pinned
        return Span(self.path, self.first, 1, self.last, 0)

    def span(self, start: int, end: int) -> Span:
        """Where `text[start:end]` stands in the file."""
        if self.pinned is not None:
            return self.pinned
        line, column = self._position(start)
        end_line, end_column = self._position(max(start, end - 1))
        return Span(self.path, line, column, end_line, end_column + 1)

    def _position(self, offset: int) -> tuple[int, int]:
        piece = max(0, bisect_right(self.starts, offset) - 1)
        column = 1 + offset - self.starts[piece]
        return self.lines[piece], column if piece else column + self.indent

    def word(self, start: int, end: int) -> Word:
        return Word(self.text[start:end], self, start, end)


class Word:
    """A piece of a logical line.

    exact: `text` is what stands there, so that offsets in it are offsets in the line; else it was JSON
    decoded or had its quotes taken off.
    """

    __slots__ = ("end", "exact", "line", "start", "text")

    def __init__(self, text: str, line: Line, start: int, end: int, *, exact: bool = True) -> None:
        self.text = text
        self.line = line
        self.start = start
        self.end = end
        self.exact = exact

    @property
    def at(self) -> Span:
        return self.line.span(self.start, self.end)

    def part(self, start: int, end: int) -> Word:
        """The piece `text[start:end]`; its place is the whole word's where that cannot be told."""
        if self.exact:
            return Word(self.text[start:end], self.line, self.start + start, self.start + end)
        return self.saying(self.text[start:end])

    def saying(self, text: str) -> Word:
        """The same place with another text."""
        return Word(text, self.line, self.start, self.end, exact=False)

    def at_offset(self, offset: int) -> Span:
        """From `text[offset]` to the word's end, or the word where that cannot be told."""
        if self.exact and offset < len(self.text):
            return self.line.span(self.start + offset, self.end)
        return self.at

    def mention(self, name: str) -> Span:
        """Where `$name` or `${name` stands in it; the whole word where that cannot be told without a long search."""
        text, at = self.text, -1
        for _ in range(_MOST_MENTIONS):
            at = text.find("$", at + 1)
            if at < 0:
                break
            braced = text.startswith("{", at + 1)
            end = at + 1 + braced + len(name)
            following = text[end : end + 1]
            if text.startswith(name, at + 1 + braced) and not (following.isalnum() or following == "_"):
                return self.part(at, end + (braced and following == "}")).at
        return self.at

    def __repr__(self) -> str:
        return f"Word({self.text!r}, {self.line.path}:{self.at.line}:{self.at.column})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and (self.text, self.start, self.end) == (other.text, other.start, other.end)

    def __hash__(self) -> int:
        return hash((self.text, self.start, self.end))


def decode_source(data: bytes, path: str) -> str:
    """The text. A byte that is not UTF-8 becomes a lone surrogate, to be refused where it matters."""
    if len(data) > MAX_BYTES:
        raise DockerfileError(
            f"the file is {len(data):,} bytes; at most {MAX_BYTES:,} are read",
            at=Span(path, 1),
            hint="large files belong in the build context, for COPY",
        )
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
