"""Filling variables into the words of instructions, with errors that point into the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...span import Span
from .words import MAX_WORK, Expansion, WordError, expand, split_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .heredoc import Heredoc
    from .source import Word

__all__ = ["Expander"]


class Expander:
    """Expands words; counts what it has read and made."""

    def __init__(self, escape: str) -> None:
        self.escape = escape
        self.work = 0
        # Told which variables a word asks for in vain, also when that is an error.
        self.unset: Callable[[Word, frozenset[str]], None] | None = None

    def word(self, word: Word, env: Mapping[str, str]) -> str:
        text = word.text
        if "$" not in text and "'" not in text and '"' not in text and self.escape not in text:
            return text
        return self.expansion(word, env).text

    def expansion(self, word: Word, env: Mapping[str, str]) -> Expansion:
        try:
            result = expand(word.text, env, escape=self.escape)
        except WordError as error:
            self._tell_unset(word, error.missing)
            raise DockerfileError(error.message, at=word.at_offset(error.offset)) from None
        self.charge(result.work, word.at)
        self._tell_unset(word, result.missing)
        return result

    def _tell_unset(self, word: Word, names: frozenset[str]) -> None:
        if names and self.unset is not None:
            self.unset(word, names)

    def fields(self, word: Word, env: Mapping[str, str]) -> list[str]:
        """The word may become several, or none."""
        try:
            return split_fields(word.text, env, escape=self.escape)
        except WordError as error:
            raise DockerfileError(error.message, at=word.at_offset(error.offset)) from None

    def document(self, heredoc: Heredoc, env: Mapping[str, str]) -> str:
        """The text of an inline file; only `$` and escapes count in it."""
        text = heredoc.text
        if not heredoc.expand:
            return text
        try:
            result = expand(text, env, quotes=False)
        except WordError as error:
            self._tell_unset(heredoc.word, error.missing)
            line = heredoc.first_line + text.count("\n", 0, error.offset)
            at = Span(heredoc.word.at.path, line) if heredoc.word.line.pinned is None else heredoc.word.at
            raise DockerfileError(error.message, at=at) from None
        self.charge(result.work, heredoc.word.at)
        self._tell_unset(heredoc.word, result.missing)
        return result.text

    def display(self, text: str, env: Mapping[str, str], at: Span, *, keep: bool = False) -> str:
        """An instruction's text as people are shown it; as written where it cannot be expanded.

        keep: quotes and unset variables stay.
        """
        try:
            result = expand(text, env, escape=self.escape, keep_quotes=keep, keep_unset=keep)
        except WordError:
            return text
        self.charge(result.work, at)
        return result.text

    def charge(self, work: int, at: Span) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise DockerfileError(f"this file expands to more than {MAX_WORK >> 20} MiB", at=at)
