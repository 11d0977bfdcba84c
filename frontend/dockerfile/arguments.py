"""The arguments after keyword and flags, cut the way each instruction wants them.

Words still hold their quotes and variables: those belong to expansion.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from ...errors import DockerfileError
from ...regexes import lazy_regex
from ...values import frozen
from .source import BLANKS, MAX_WORDS, Line, Word
from .words import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...span import Span

__all__ = ["Arguments", "Pair", "blank_words", "read_arguments", "too_many_words"]

_WORD = lazy_regex(f"[^{BLANKS}]+")
_JSON_BLANKS = " \t\r\n"


@frozen(kw_only=False)
class Pair:
    """`key=value` of ENV and LABEL; `legacy` is the old form `key value`."""

    key: Word
    value: Word
    legacy: bool = False


@frozen(kw_only=False)
class Arguments:
    """`rest` is the text as it stands; `words` what it was cut into."""

    rest: Word
    words: tuple[Word, ...] = ()
    pairs: tuple[Pair, ...] = ()
    json: bool = False  # the words come from a JSON array


def read_arguments(name: str, line: Line, start: int, end: int, escape: str) -> Arguments:
    """Cut `line.text[start:end]`, which has no blanks around it."""
    rest = line.word(start, end)
    if name in ("RUN", "CMD", "ENTRYPOINT", "SHELL"):
        return _json_or_one(rest)
    if name in ("ADD", "COPY", "VOLUME"):
        return _json(rest) or Arguments(rest, _bounded(rest, blank_words(rest)))
    if name in ("ENV", "LABEL"):
        return _pairs(name, rest, escape)
    if name == "ARG":
        return Arguments(rest, _bounded(rest, _quoted_words(rest, escape)))
    if name == "HEALTHCHECK":
        return _typed(rest)
    if name in ("EXPOSE", "FROM"):
        return Arguments(rest, _bounded(rest, blank_words(rest)))
    return Arguments(rest, (rest,) if rest.text else ())


def blank_words(rest: Word) -> Iterator[Word]:
    """The words between blanks, whatever they hold."""
    return (rest.part(*match.span()) for match in _WORD.finditer(rest.text))


def _bounded(rest: Word, words: Iterator[Word]) -> tuple[Word, ...]:
    found = tuple(islice(words, MAX_WORDS + 1))
    if len(found) > MAX_WORDS:
        raise too_many_words(rest.at)
    return found


def too_many_words(at: Span) -> DockerfileError:
    return DockerfileError(
        f"the instructions hold more than {MAX_WORDS:,} words", at=at, hint="put data in a file of the build context"
    )


def _json_or_one(rest: Word) -> Arguments:
    if not rest.text:
        return Arguments(rest)
    return _json(rest) or Arguments(rest, (rest,))


def _typed(rest: Word) -> Arguments:
    """HEALTHCHECK: a word, then JSON or text."""
    text, at = rest.text, 0
    while at < len(text) and text[at] not in SPACES:
        at += 1
    if not at:
        return Arguments(rest)
    kind = rest.part(0, at)
    while at < len(text) and text[at] in SPACES:
        at += 1
    command = _json_or_one(rest.part(at, len(text)))
    return Arguments(rest, (kind, *command.words), json=command.json)


def _json(rest: Word) -> Arguments | None:
    """The words of a JSON array of strings; None when it is no JSON, so that it is text after all."""
    text = rest.text
    if not text.startswith("["):
        return None
    words: list[Word] = []
    decoder = json.JSONDecoder()
    at, end = _skip(text, 1), len(text)
    if text.startswith("]", at):
        return Arguments(rest, json=True) if at + 1 == end else None
    while True:
        if not text.startswith('"', at):
            _refuse_other_json(rest)
            return None
        try:
            value, after = decoder.raw_decode(text, at)
        except ValueError:
            return None
        words.append(rest.part(at, after).saying(_without_lone_surrogates(value)))
        if len(words) > MAX_WORDS:
            raise too_many_words(rest.at)
        at = _skip(text, after)
        if text.startswith("]", at):
            return Arguments(rest, tuple(words), json=True) if at + 1 == end else None
        if not text.startswith(",", at):
            return None
        at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _JSON_BLANKS:
        at += 1
    return at


def _without_lone_surrogates(text: str) -> str:
    """A lone \\ud800 is U+FFFD to Go."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _refuse_other_json(rest: Word) -> None:
    """Well-formed JSON with something else than strings in it is an error, not text."""
    try:
        json.loads(rest.text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return
    raise DockerfileError("a JSON array must hold strings only", at=rest.at, hint='quote every element: ["cmd", "1"]')


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _pairs(name: str, rest: Word, escape: str) -> Arguments:
    """`k=v k2="v 2"`, or the old form `k rest of line`."""
    words = _bounded(rest, _quoted_words(rest, escape))
    if not words:
        return Arguments(rest)
    if "=" not in words[0].text:
        return Arguments(rest, pairs=(_legacy_pair(name, rest),))
    pairs = []
    for word in words:
        key, equals, _ = word.text.partition("=")
        if not equals:
            raise DockerfileError(
                f"{word.text!r} has no '='; {name} takes name=value",
                at=word.at,
                hint=f'quote a value that holds blanks: {words[0].text.partition("=")[0]}="a b"',
            )
        pairs.append(Pair(word.part(0, len(key)), word.part(len(key) + 1, len(word.text))))
    return Arguments(rest, pairs=tuple(pairs))


def _legacy_pair(name: str, rest: Word) -> Pair:
    text, at = rest.text, 0
    while at < len(text) and text[at] not in BLANKS:
        at += 1
    if at == len(text):
        raise DockerfileError(f"{name} {text} has no value", at=rest.at, hint=f"write {name} {text}=value")
    value = at
    while value < len(text) and text[value] in BLANKS:
        value += 1
    return Pair(rest.part(0, at), rest.part(value, len(text)), legacy=True)


def _quoted_words(rest: Word, escape: str) -> Iterator[Word]:
    """Words between blanks that no quote protects; quotes and escapes stay in them."""
    text, at, end = rest.text, 0, len(rest.text)
    while at < end:
        while at < end and text[at] in SPACES:
            at += 1
        start, quote = at, ""
        while at < end:
            char = text[at]
            if char == escape and quote != "'":
                at += 2
                continue
            if quote:
                if char == quote:
                    quote = ""
            elif char in SPACES:
                break
            elif char in "'\"":
                quote = char
            at += 1
        if at > end:  # an escape at the very end guards nothing and goes
            at = end
            if end - 1 > start:
                yield rest.part(start, end - 1)
        elif at > start:
            yield rest.part(start, at)
