"""Dockerfile text to nodes: which instruction, which flags, which arguments, where.

What the arguments mean is left to `instructions`; variables are left to the compiler. Line model, quirks
included, as BuildKit's parser has it: comments vanish even inside a continued instruction, blank lines
there too (with a warning), the escape character continues a line only when nothing but blanks follows and
it is not doubled, heredoc bodies follow the line that opens them.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...span import Span
from ...values import frozen
from .arguments import read_arguments
from .directives import DirectiveReader, Directives
from .heredoc import Heredoc, may_hold_heredocs, read_heredocs
from .source import BLANKS, MAX_LINE, Line, Word, decode_source
from .words import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .arguments import Arguments

__all__ = ["MAX_INSTRUCTIONS", "Document", "Node", "parse", "parse_trigger"]

MAX_INSTRUCTIONS = 50_000  # bounds memory; an image has room for some hundred layers


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
    nodes = list(islice(reader.nodes(), MAX_INSTRUCTIONS + 1))
    if len(nodes) > MAX_INSTRUCTIONS:
        at = nodes[-1].line.at
        raise DockerfileError(f"the file holds more than {MAX_INSTRUCTIONS:,} instructions", at=at)
    if not nodes:
        at = Span(path, max(1, len(reader.lines)))
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
    """Walks the physical lines once."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines = text.split("\n")
        self.ended = not self.lines[-1]  # the last line has its newline
        if self.ended:
            self.lines.pop()
        self.at = 0  # index of the next physical line
        self.directives = DirectiveReader(path)

    def nodes(self) -> Iterator[Node]:
        comments: list[str] = []
        while self.at < len(self.lines):
            number = self.at + 1
            raw = self._next()
            stripped = raw.lstrip(SPACES)
            if stripped.startswith("#"):
                if not self.directives.feed(stripped, number):
                    comment = raw[1:].strip(SPACES)  # of an indented comment BuildKit keeps the "#"
                    if comment:
                        comments.append(comment)
                    else:
                        comments.clear()
                continue
            self.directives.done = True
            if not stripped:
                continue
            line, blank = self._logical(number, len(raw) - len(stripped), stripped)
            yield self._node(line, tuple(comments), blank)
            comments = []

    def _next(self) -> str:
        raw = self.lines[self.at]
        self.at += 1
        if len(raw) > MAX_LINE // 4 and len(raw.encode("utf-8", "surrogateescape")) > MAX_LINE:
            raise DockerfileError(
                f"the line is longer than {MAX_LINE} bytes",
                at=Span(self.path, self.at),
                other_lines=(self.at - 1,),  # BuildKit counts the lines that it has done with
                hint="split it with continuations, or put the data in a file of the build context",
            )
        return raw.rstrip("\r")

    def _logical(self, number: int, indent: int, text: str) -> tuple[Line, bool]:
        """Join the continuation lines that follow `text`, the first piece."""
        pieces, starts, origins = [], [0], [(number, indent + 1)]
        size, blank = 0, False
        text, more = self._trim(text)
        pieces.append(text)
        size += len(text)
        while more and self.at < len(self.lines):
            number = self.at + 1
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
            origins.append((number, 1))
            size += len(text)
        joined = "".join(pieces)
        line = Line(self.path, _without_surrogates(joined), starts, origins, self.at)
        line.replaced = line.text != joined
        return line, blank

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
            first, body = self.at + 1, []
            while self.at < len(self.lines):
                raw = self.lines[self.at]
                self.at += 1
                end = raw.rstrip("\r")
                if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                    break
                last = self.at == len(self.lines) and not self.ended
                body.append(raw if last else raw + "\n")
            else:
                raise DockerfileError(
                    f"the heredoc <<{heredoc.name} has no end",
                    at=heredoc.word.at,
                    hint=f"a line must hold {heredoc.name} and nothing else",
                )
            heredoc.content = "".join(body)
            heredoc.first_line = first
            line.last = self.at
            yield heredoc


def _without_surrogates(text: str) -> str:
    """Bytes that were not UTF-8 become U+FFFD, one each, as in BuildKit. Heredoc bodies keep theirs."""
    if text.isascii():
        return text
    return "".join("\ufffd" if "\udc80" <= char <= "\udcff" else char for char in text)


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
        head = text[:at]
        data = text[at:end].encode("utf-8", "surrogateescape")
        raw = data.decode("latin-1")
        cuts, rest = _cut_flags(raw, 0, len(raw), escape)

        def place(offset: int) -> int:
            return len(head) + len(data[:offset].decode("utf-8", "ignore"))

        cuts, rest = [(word, place(start), place(stop)) for word, start, stop in cuts], place(rest)
    flags = (Word(word, line, start, stop, exact=word == text[start:stop]) for word, start, stop in cuts)
    return tuple(flags), rest


def _cut_flags(text: str, at: int, end: int, escape: str) -> tuple[list[tuple[str, int, int]], int]:
    """Each flag with where it stands, and where the rest begins."""
    flags: list[tuple[str, int, int]] = []
    while True:
        while at < end and text[at] in SPACES:
            at += 1
        if not text.startswith("--", at, end):
            return flags, at
        start, out, quote = at, [], ""
        while at < end:
            char = text[at]
            if quote:
                if char == quote:
                    quote = ""
                    at += 1
                    continue
            elif char in SPACES:
                break
            elif char in "'\"":
                quote = char
                at += 1
                continue
            if char == escape:
                at += 1
                if at == end:
                    break
                char = text[at]
            out.append(char)
            at += 1
        word = "".join(out)
        if word == "--" and not quote:
            return flags, at
        flags.append((word, start, at))
