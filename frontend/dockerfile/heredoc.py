"""Heredocs: `<<EOF`, `<<-EOF`, `<<"EOF"`, `3<<EOF`, any number on one line of RUN, COPY or ADD."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from .words import WordError, split_fields

if TYPE_CHECKING:
    from .arguments import Arguments
    from .source import Line, Word

MAX_HEREDOCS = 1000  # of one instruction; bounds time and memory

__all__ = ["Heredoc", "may_hold_heredocs", "parse_heredoc", "read_heredocs"]


class Heredoc:
    """One inline document. `content` is raw: leading tabs are still there."""

    __slots__ = ("chomp", "content", "descriptor", "expand", "first_line", "name", "word")

    def __init__(self, word: Word, name: str, *, expand: bool, chomp: bool, descriptor: int) -> None:
        self.word = word
        self.name = name
        self.expand = expand  # the delimiter is not quoted: variables count
        self.chomp = chomp  # `<<-`: leading tabs go
        self.descriptor = descriptor
        self.content = ""
        self.first_line = 0

    @property
    def text(self) -> str:
        return re.sub(r"^\t+", "", self.content, flags=re.MULTILINE) if self.chomp else self.content


def may_hold_heredocs(name: str, arguments: Arguments) -> bool:
    return name in ("RUN", "COPY", "ADD") and not arguments.json


def parse_heredoc(word: Word) -> Heredoc | None:
    """What the word opens, None when it is no heredoc. Raises DockerfileError on a broken delimiter."""
    if "<<" not in word.text:
        return None
    descriptor, _, rest = word.text.partition("<<")
    chomp = rest.startswith("-")
    rest = rest[chomp:].lstrip("\t\n\f\r ")
    if not rest or "<" in rest or (descriptor and not (descriptor.isascii() and descriptor.isdigit())):
        return None
    try:
        names = split_fields(rest, {}, keep_unset=True)
        if len(names) != 1:
            return None
        (quoted,) = split_fields(rest, {}, keep_unset=True, keep_quotes=True)
    except WordError as error:
        raise DockerfileError(f"heredoc delimiter: {error}", at=word.at) from None
    name = names[0]
    plain = _quotes(name) == _quotes(quoted)
    return Heredoc(word, name, expand=plain, chomp=chomp, descriptor=int(descriptor[:9] or 0))


def read_heredocs(line: Line) -> list[Heredoc]:
    """Every heredoc the line opens, bodies still empty."""
    try:
        fields = split_fields(line.text, {}, keep_unset=True, keep_quotes=True, keep_escapes=True)
    except WordError:
        return []  # the shell may make sense of it: `RUN echo "<<` is not ours to refuse
    found: list[Heredoc] = []
    at = 0
    for text in fields:
        if "<<" not in text:
            continue
        start = line.text.find(text, at)
        word = line.word(start, start + len(text)) if start >= 0 else line.word(0, len(line.text)).saying(text)
        at = max(at, start)
        heredoc = parse_heredoc(word)
        if heredoc is not None:
            found.append(heredoc)
            if len(found) > MAX_HEREDOCS:
                raise DockerfileError(f"one instruction opens more than {MAX_HEREDOCS:,} heredocs", at=word.at)
            at = max(at, start + len(text))
    return found


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
