"""Dockerfile text to nodes: which instruction, which flags, which arguments, where.

What the arguments mean is left to `instructions`; variables are left to the compiler. Line model, quirks
included, as BuildKit's parser has it: comments vanish even inside a continued instruction, blank lines
there too (with a warning), the escape character continues a line only when nothing but blanks follows and
it is not doubled, heredoc bodies follow the line that opens them.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...regexes import lazy_regex
from ...span import Span
from ...values import frozen
from .arguments import read_arguments, too_many_words
from .directives import DirectiveReader, Directives
from .heredoc import Heredoc, may_hold_heredocs, read_heredocs
from .source import BLANKS, MAX_LINE, MAX_WORDS, Line, Word, decode_source
from .words import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .arguments import Arguments

__all__ = ["MAX_INSTRUCTIONS", "Document", "Node", "parse", "parse_trigger"]

MAX_INSTRUCTIONS = 50_000  # bounds memory; an image has room for some hundred layers
_SURROGATE = lazy_regex("[\udc80-\udcff]")
# A run of characters that mean themselves in a flag, whatever the escape character is.
_INNER_BYTES = bytes(range(0x80, 0xC0))  # those of a letter in UTF-8 that are not its first
_PLAIN = lazy_regex(rf"[^{SPACES}'\"\\`]+")


class Node:
    """One instruction as written."""

    __slots__ = (
        "arguments",
        "blank_in_continuation",
        "comments",
        "flags",
        "heredocs",
        "keyword",
        "line",
        "trigger",
    )

    def __init__(self, line: Line, keyword: Word, flags: tuple[Word, ...], arguments: Arguments) -> None:
        self.line = line
        self.keyword = keyword
        self.flags = flags
        self.arguments = arguments
        self.heredocs: tuple[Heredoc, ...] = ()
        self.comments: tuple[str, ...] = ()  # the comment lines right above, directives left out
        self.trigger: Node | None = None  # what an ONBUILD holds
        self.blank_in_continuation = False

    @property
    def name(self) -> str:
        return self.keyword.text.upper()

    @property
    def text(self) -> str:
        """As written, continuations joined."""
        return self.line.text.strip(SPACES)

    @property
    def size(self) -> int:
        """The number of words in it."""
        holder = self.trigger or self
        arguments = holder.arguments
        return len(holder.flags) + len(arguments.words) + len(arguments.pairs) + len(self.heredocs)


@frozen
class Document:
    """A parsed Dockerfile."""

    directives: Directives
    nodes: list[Node]


def parse(data: bytes, path: str) -> Document:
    """Parse a Dockerfile. Raises DockerfileError at the first thing that cannot be read."""
    if not data:
        raise DockerfileError("the Dockerfile is empty", at=Span(path, 1), hint="begin with FROM image")
    reader = _Reader(decode_source(data, path), path)
    nodes: list[Node] = []
    words = 0
    for node in reader.nodes():
        nodes.append(node)
        if len(nodes) > MAX_INSTRUCTIONS:
            raise DockerfileError(f"the file holds more than {MAX_INSTRUCTIONS:,} instructions", at=node.line.at)
        words += node.size
        if words > MAX_WORDS:
            raise too_many_words(node.line.at)
    if not nodes:
        at = Span(path, max(1, reader.number))
        raise DockerfileError("the file holds no instruction", at=at, hint="begin with FROM image")
    return Document(directives=reader.directives.result, nodes=nodes)


def parse_trigger(text: str, at: Span, escape: str = "\\") -> Node:
    """Parse the one instruction of an ONBUILD trigger; every place in it is `at`, the child's FROM."""
    reader = _Reader(text, at.path)
    reader.directives.result.escape = escape
    try:
        nodes = list(reader.nodes())
    except DockerfileError as error:
        raise DockerfileError(f"in the ONBUILD trigger {text!r}: {error.message}", at=at, hint=error.hint) from None
    if len(nodes) != 1:
        raise DockerfileError(f"an ONBUILD trigger must be one instruction, found {text!r}", at=at)
    for node in nodes:
        _relocate(node.line, at)
    return nodes[0]


def _relocate(line: Line, at: Span) -> None:
    line.pinned = at


class _Reader:
    """Walks the physical lines once; holds one at a time, so that a file of short lines costs no more than its text."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.text = text
        self.at = 0  # where the next physical line begins
        self.number = 0  # of the line read last
        self.directives = DirectiveReader(path)

    @property
    def more(self) -> bool:
        """Whether there is another physical line."""
        return self.at < len(self.text)

    def nodes(self) -> Iterator[Node]:
        comments: list[str] = []
        while self.more:
            raw = self._next()
            stripped = raw.lstrip(SPACES)
            if stripped.startswith("#"):
                if not self.directives.feed(stripped, self.number):
                    comment = raw[1:].strip(SPACES)  # of an indented comment BuildKit keeps the "#"
                    if comment:
                        comments.append(comment)
                    else:
                        comments.clear()
                continue
            self.directives.done = True
            if not stripped:
                continue
            line, blank = self._logical(len(raw) - len(stripped), stripped)
            yield self._node(line, tuple(comments), blank)
            comments = []

    def _next(self) -> str:
        return self._raw().rstrip("\r")

    def _raw(self) -> str:
        """The next physical line with its carriage returns."""
        end = self.text.find("\n", self.at)
        raw = self.text[self.at : end if end >= 0 else len(self.text)]
        self.at += len(raw) + 1
        self.number += 1
        if len(raw) > MAX_LINE // 4 and len(raw.encode("utf-8", "surrogateescape")) > MAX_LINE:
            raise DockerfileError(
                f"the line is longer than {MAX_LINE} bytes",
                at=Span(self.path, self.number),
                other_lines=(self.number - 1,),  # BuildKit counts the lines that it has done with
                hint="split it with continuations, or put the data in a file of the build context",
            )
        return raw

    def _logical(self, indent: int, text: str) -> tuple[Line, bool]:
        """Join the continuation lines that follow `text`, the first piece."""
        text, more = self._trim(text)
        if not more:
            return self._line(text, (0,), (self.number,), indent), False
        pieces, starts, lines = [text], array("I", [0]), array("I", [self.number])
        size, blank = len(text), False
        while more and self.more:
            raw = self._next()
            stripped = raw.lstrip(SPACES)
            if stripped.startswith("#"):
                continue
            if not stripped:
                blank = True
                continue
            text, more = self._trim(raw)
            pieces.append(text)
            starts.append(size)
            lines.append(self.number)
            size += len(text)
        joined = "".join(pieces)
        return self._line(joined, starts, lines, indent), blank

    def _line(self, text: str, starts: Sequence[int], lines: Sequence[int], indent: int) -> Line:
        line = Line(self.path, _without_surrogates(text), starts, lines, indent, self.number)
        line.replaced = line.text != text
        return line

    def _trim(self, text: str) -> tuple[str, bool]:
        """The text without its continuation mark, and whether it had one."""
        escape = self.directives.result.escape
        end = text.rstrip(" \t")
        if end.endswith(escape) and (len(end) == 1 or end[-2] != escape):
            return end[:-1], True
        return text, False

    def _node(self, line: Line, comments: tuple[str, ...], blank: bool) -> Node:
        node = _read_node(line, 0, self.directives.result.escape)
        node.comments = comments
        node.blank_in_continuation = blank
        holder = node.trigger or node
        if may_hold_heredocs(holder.name, holder.arguments) and "<<" in line.text:
            node.heredocs = tuple(self._bodies(line))
            holder.heredocs = node.heredocs
        return node

    def _bodies(self, line: Line) -> Iterator[Heredoc]:
        """Read the body of every heredoc the line opens, in order."""
        for heredoc in read_heredocs(line):
            first, body = self.number + 1, []
            while self.more:
                raw = self._raw()
                end = raw.rstrip("\r")
                if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                    break
                body.append(raw if self.at > len(self.text) else raw + "\n")
            else:
                raise DockerfileError(
                    f"the heredoc <<{heredoc.name} has no end",
                    at=heredoc.word.at,
                    hint=f"a line must hold {heredoc.name} and nothing else",
                )
            heredoc.content = "".join(body)
            heredoc.first_line = first
            line.last = self.number
            yield heredoc


def _without_surrogates(text: str) -> str:
    """Bytes that were not UTF-8 become U+FFFD, one each, as in BuildKit. Heredoc bodies keep theirs."""
    if text.isascii():
        return text
    return _SURROGATE.sub("\ufffd", text)


def _read_node(line: Line, start: int, escape: str) -> Node:
    """Cut keyword, flags and arguments out of the line from `start` on."""
    text = line.text
    inner = start > 0
    end = len(text.rstrip(SPACES))
    while start < end and text[start] in SPACES:
        start += 1
    at = start
    while at < end and text[at] not in BLANKS:
        at += 1
    keyword = line.word(start, at)
    while at < end and text[at] in BLANKS:
        at += 1
    flags, at = _read_flags(line, at, end, escape)
    while at < end and text[at] in SPACES:
        at += 1
    name = keyword.text.upper()
    trigger = None
    if name == "ONBUILD" and at < end and not inner:  # one level is all there can be
        trigger = _read_node(line, at, escape)
    arguments = read_arguments(name, line, at, end, escape)
    node = Node(line, keyword, flags, arguments)
    node.trigger = trigger
    return node


def _read_flags(line: Line, at: int, end: int, escape: str) -> tuple[tuple[Word, ...], int]:
    """The words that begin with `--`, quotes and escapes taken off, and where the rest begins."""
    text = line.text
    if text.isascii():
        cuts, rest = _cut_flags(text, at, end, escape)
    else:
        # BuildKit reads flags byte by byte: a letter beyond ASCII becomes several, some of which may be blanks.
        data = text[at:end].encode()
        cuts, rest = _cut_flags(data.decode("latin-1"), 0, len(data), escape)
        cuts, rest = _in_letters(cuts, rest, data, at)
    if len(cuts) > MAX_WORDS:
        raise too_many_words(line.at)
    flags = (Word(word, line, start, stop, exact=word == text[start:stop]) for word, start, stop in cuts)
    return tuple(flags), rest


def _in_letters(
    cuts: list[tuple[str, int, int]], rest: int, data: bytes, start: int
) -> tuple[list[tuple[str, int, int]], int]:
    """Offsets in UTF-8, ascending, as offsets in the text that has `data` from `start` on."""
    known, letters = 0, start

    def place(offset: int) -> int:
        nonlocal known, letters
        letters += len(data[known:offset].translate(None, _INNER_BYTES))
        known = offset
        return letters

    return [(word, place(first), place(last)) for word, first, last in cuts], place(rest)


def _cut_flags(text: str, at: int, end: int, escape: str) -> tuple[list[tuple[str, int, int]], int]:
    """Each flag with where it stands, and where the rest begins."""
    flags: list[tuple[str, int, int]] = []
    while True:
        while at < end and text[at] in SPACES:
            at += 1
        if not text.startswith("--", at, end):
            return flags, at
        word, stop, closed = _cut_flag(text, at, end, escape)
        if word == "--" and closed:
            return flags, stop
        flags.append((word, at, stop))
        at = stop
        if len(flags) > MAX_WORDS:
            return flags, at  # who makes words of them refuses so many


def _cut_flag(text: str, at: int, end: int, escape: str) -> tuple[str, int, bool]:
    """One word from `at` on, where it ends, and whether its quotes are closed."""
    out: list[str] = []
    quote = ""
    while at < end:
        plain = _PLAIN.match(text, at, end)
        if plain is not None:
            out.append(plain[0])
            at = plain.end()
            continue
        char = text[at]
        at += 1
        if quote:
            if char == quote:
                quote = ""
                continue
        elif char in SPACES:
            at -= 1
            break
        elif char in "'\"":
            quote = char
            continue
        if char == escape:
            if at == end:
                break
            char = text[at]
            at += 1
        out.append(char)
    return "".join(out), at, not quote
