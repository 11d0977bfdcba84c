"""Shell words: `$VAR` and `${VAR…}` expansion, quotes and escapes, and splitting into fields.

The rules are BuildKit's, a small part of sh: single quotes are literal; in double quotes the escape
character guards `"`, `$` and itself; elsewhere it guards any character. Operators of `${name…}`:
`:-` `-` (default), `:+` `+` (alternative), `:?` `?` (demand), `#` `##` `%` `%%` (trim a pattern),
`/` `//` (replace a pattern). Words nest in operators to any depth, so the machine below keeps its own
stack. What a word may grow to is bounded: doubling a variable forty times must not eat the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...regexes import lazy_regex
from ...values import frozen
from .shellglob import GlobError, replace_pattern, trim_prefix, trim_suffix

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_WORD", "MAX_WORK", "SPACES", "Expansion", "WordError", "expand", "split_fields"]

MAX_WORD = 1 << 20
# Characters of values read, in one word and over a whole compilation. A variable that doubles itself on every line
# would otherwise fill the machine. 2,500 RUNs that each see one short ARG more come near to it.
MAX_WORK = 64 << 20
# What Go's unicode.IsSpace knows. str.isspace() would add U+001C..U+001F.
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# Characters that are plain wherever they stand; a run of them is taken in one step.
_PLAIN = lazy_regex(r"[^$'\"<}/\\`]*")
_SPECIAL_NAMES = "@*#?-$!0"


class WordError(ValueError):
    """A word breaks the rules; `offset` is where in it, counted from 0. `missing` as in Expansion, up to there."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.missing: frozenset[str] = frozenset()


@frozen
class Expansion:
    """What a word became, and which variables it asked for."""

    text: str
    fields: tuple[str, ...] = ()
    found: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    work: int = 0  # characters of values read: what a caller bounds over a whole file


def expand(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    quotes: bool = True,
    keep_quotes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """The word with variables filled in and quotes taken off.

    quotes: False leaves quote characters alone (heredoc bodies). keep_quotes: quotes group but stay.
    keep_unset: `$X` stays when X is not set. Raises WordError.
    """
    if "$" not in word and escape not in word and (not quotes or ("'" not in word and '"' not in word)):
        return Expansion(text=word.removeprefix("\ufeff"))
    machine = _Machine(word, env, escape)
    machine.quotes = quotes
    machine.keep_quotes = keep_quotes
    machine.keep_unset = keep_unset
    try:
        return machine.run()
    except WordError as error:
        error.missing = frozenset(machine.missing)
        raise


def split_fields(
    word: str,
    env: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    keep_unset: bool = False,
) -> list[str]:
    """The word expanded, then split at blanks that no quote protects. Raises WordError."""
    machine = _Machine(word, env, escape)
    machine.keep_quotes = keep_quotes
    machine.keep_escapes = keep_escapes
    machine.keep_unset = keep_unset
    machine.split = True
    return list(machine.run().fields)


class _Frame:
    """One level of nesting: the whole word, a double-quoted part, or the operand of an operator."""

    __slots__ = ("keep_escapes", "modifier", "name", "opened", "out", "pattern", "stop")

    def __init__(self, stop: str, *, keep_escapes: bool, opened: int) -> None:
        self.stop = stop  # what ends it: "" is the end of the word
        self.keep_escapes = keep_escapes
        self.opened = opened
        self.out: list[str] = []
        self.name = ""  # an operand's variable, operator and, for `/`, the pattern before the second slash
        self.modifier = ""
        self.pattern: str | None = None


class _Machine:
    """Reads one word left to right, once."""

    def __init__(self, word: str, env: Mapping[str, str], escape: str) -> None:
        self.word = word.removeprefix("\ufeff")  # BuildKit's scanner drops it too
        self.env = env
        self.escape = escape
        self.quotes = True
        self.keep_quotes = False
        self.keep_escapes = False
        self.keep_unset = False
        self.found: set[str] = set()
        self.missing: set[str] = set()
        self.at = 0
        self.grown = self.work = 0
        # Field splitting; only the outermost level counts.
        self.split = False
        self.fields: list[str] = []
        self.field: list[str] = []
        self.in_field = False

    def run(self) -> Expansion:
        top = _Frame("", keep_escapes=self.keep_escapes, opened=0)
        stack = [top]
        word, end = self.word, len(self.word)
        while True:
            frame = stack[-1]
            if self.at >= end:
                if frame is top:
                    break
                raise self._unfinished(stack)
            char = word[self.at]
            if char == frame.stop:
                self.at += 1
                self._close(stack)
            elif frame.stop == '"':
                self._in_quotes(stack, char)
            elif char == "$":
                self._dollar(stack)
            elif char == "'" and self.quotes:
                self._single_quote(frame, stack)
            elif char == '"' and self.quotes:
                stack.append(_Frame('"', keep_escapes=frame.keep_escapes, opened=self.at))
                self.at += 1
            elif char == self.escape:
                self._escaped(frame, stack)
            elif char == "<":
                self._less_than(frame, stack)
            else:
                self._plain(frame, stack)
        self._end_field()
        return Expansion(
            text="".join(top.out),
            fields=tuple(self.fields),
            found=frozenset(self.found),
            missing=frozenset(self.missing),
            work=self.work,
        )

    def _plain(self, frame: _Frame, stack: list[_Frame]) -> None:
        """A run of characters that mean themselves."""
        match = _PLAIN.match(self.word, self.at + 1)
        assert match is not None
        text = self.word[self.at : match.end()]
        self.at = match.end()
        frame.out.append(text)
        if len(stack) == 1 and self.split:
            self._blank_separated(text)

    def _escaped(self, frame: _Frame, stack: list[_Frame]) -> None:
        text = self.word[self.at + 1 : self.at + 2]
        if frame.keep_escapes:
            text = self.escape + text
        self.at += 2
        self._raw(frame, stack, text)

    def _single_quote(self, frame: _Frame, stack: list[_Frame]) -> None:
        end = self.word.find("'", self.at + 1)
        if end < 0:
            raise WordError("the single quote is never closed", self.at)
        text = self.word[self.at + 1 : end]
        self.at = end + 1
        self._raw(frame, stack, f"'{text}'" if self.keep_quotes else text)

    def _less_than(self, frame: _Frame, stack: list[_Frame]) -> None:
        """`<` is itself; after `<<` blanks belong to the word, so that `<< EOF` stays one field."""
        at = self.at + 1
        if self.word.startswith("<", at):
            at += 1
            while at < len(self.word) and self.word[at] in "\t\r ":
                at += 1
        self._raw(frame, stack, self.word[self.at : at])
        self.at = at

    def _in_quotes(self, stack: list[_Frame], char: str) -> None:
        """Between double quotes."""
        frame = stack[-1]
        if char == "$":
            self._dollar(stack)
            return
        word, end = self.word, len(self.word)
        if char == self.escape:
            text = char if frame.keep_escapes else ""
            following = word[self.at + 1 : self.at + 2]
            if not following:
                self.at += 1
                frame.out.append(text)
            elif following in ('"', "$", self.escape):
                self.at += 2
                frame.out.append(text + following)
            else:
                self.at += 1
                frame.out.append(text + char)
            return
        start = self.at
        at = start + 1
        while at < end and (char := word[at]) not in '"$' and char != self.escape:
            at += 1
        self.at = at
        frame.out.append(word[start:at])

    def _dollar(self, stack: list[_Frame]) -> None:
        """At `$`: a simple variable is filled in, an operator opens a new level."""
        word, start = self.word, self.at
        self.at += 1
        if not word.startswith("{", self.at):
            name = self._name()
            if not name:
                self._value(stack, "$")
            else:
                self._value(stack, self._lookup(name, f"${name}"))
            return
        self.at += 1
        following = word[self.at : self.at + 1]
        if not following:
            raise WordError("'${' has no closing '}'", start)
        if following in "{}:":
            raise WordError(f"bad substitution: a variable's name must follow '${{', not {following!r}", start)
        name = self._name()
        modifier = word[self.at : self.at + 1]
        if modifier in ("", "\n"):
            raise WordError("'${' has no closing '}'", start)
        self.at += 1
        if modifier == "}":
            self._value(stack, self._lookup(name, f"${{{name}}}"))
            return
        self._operator(stack, name, modifier, start)

    def _operator(self, stack: list[_Frame], name: str, modifier: str, start: int) -> None:
        if modifier == ":":
            modifier += self.word[self.at : self.at + 1]
            self.at += 1
        if modifier not in (":-", ":+", ":?", "-", "+", "?", "#", "%", "/"):
            if modifier[0] == ":" and modifier[1:] not in ("#", "%"):
                self._lookup(name, "")  # BuildKit has looked by the time it refuses
            raise WordError(
                f"{modifier!r} is not an operator of '${{…}}'; there are :- - :+ + :? ? # ## % %% / //", start
            )
        self.field = []  # BuildKit reads operands into the buffer of the field under way: what it held is gone
        frame = _Frame("}", keep_escapes=modifier in "#%", opened=start)
        if modifier == "/":
            frame.stop, frame.keep_escapes = "/", True
            if self.word.startswith("/", self.at):
                self.at += 1
                modifier = "//"
        frame.name, frame.modifier = name, modifier
        stack.append(frame)
        if self.split:  # BuildKit's one buffer for fields serves the operand too: what stood before it is gone
            self.field = []

    def _close(self, stack: list[_Frame]) -> None:
        """A level has met its end: its value goes to the level around it."""
        frame = stack.pop()
        text = "".join(frame.out)
        if frame.stop == '"':
            self._raw(stack[-1], stack, f'"{text}"' if self.keep_quotes else text)
            return
        if frame.modifier in ("/", "//") and frame.pattern is None:
            rest = _Frame("}", keep_escapes=True, opened=frame.opened)
            rest.name, rest.modifier, rest.pattern = frame.name, frame.modifier, text
            stack.append(rest)
            return
        self._value(stack, self._apply(frame, text))

    def _apply(self, frame: _Frame, operand: str) -> str:
        """The value of `${name<operator>operand}`."""
        name, modifier, pattern = frame.name, frame.modifier, frame.pattern
        value = self.env.get(name)
        (self.missing if value is None else self.found).add(name)
        # A `?` of a pattern is looked at wherever a match may begin.
        self._spend(len(value or "") * (1 + (operand if pattern is None else pattern).count("?") // 8))
        if value is None and self.keep_unset:
            inner = operand if pattern is None else f"{pattern}/{operand}"
            return f"${{{name}{modifier[:1] if pattern is not None else modifier}{inner}}}"
        absent = value is None or (modifier[0] == ":" and value == "")
        match modifier[-1]:
            case "-":
                return operand if absent else value or ""
            case "+":
                return "" if absent else operand
            case "?":
                if not absent:
                    return value or ""
                state = "unset" if value is None else "empty"
                raise WordError(f"{name}: {operand or f'is not allowed to be {state}'}", frame.opened)
        try:
            if pattern is not None:
                return replace_pattern(value or "", pattern, operand, every=modifier == "//", limit=MAX_WORD)
            trim = trim_prefix if modifier == "#" else trim_suffix
            greedy = operand.startswith(modifier)
            return trim(value or "", operand[1:] if greedy else operand, greedy=greedy)
        except GlobError as error:
            raise WordError(str(error), frame.opened) from None

    def _spend(self, work: int) -> None:
        self.work += work
        if self.work > MAX_WORK:
            raise WordError(f"the word expands to more than {MAX_WORK >> 20} MiB", self.at)

    def _lookup(self, name: str, unset: str) -> str:
        value = self.env.get(name)
        if value is not None:
            self.found.add(name)
            self._spend(len(value))
            return value
        self.missing.add(name)
        return unset if self.keep_unset else ""

    def _name(self) -> str:
        """A variable's name: digits, one special character, or letters, digits and `_`."""
        word, start, end = self.word, self.at, len(self.word)
        if start >= end:
            return ""
        at, first = start, word[start]
        if first.isdecimal():
            while at < end and word[at].isdecimal():
                at += 1
        elif first in _SPECIAL_NAMES:
            at += 1
        else:
            while at < end and ((char := word[at]) == "_" or char.isalpha() or char.isdecimal()):
                at += 1
        self.at = at
        return word[start:at]

    def _value(self, stack: list[_Frame], text: str) -> None:
        """A variable's value: blanks in it separate fields, unless quoted."""
        self.grown += len(text)
        if self.grown > MAX_WORD:
            raise WordError(f"the expanded word is longer than {MAX_WORD} characters", self.at)
        stack[-1].out.append(text)
        if len(stack) == 1 and self.split:
            self._blank_separated(text)

    def _raw(self, frame: _Frame, stack: list[_Frame], text: str) -> None:
        """Quoted or escaped text: one piece of a field, blanks and all."""
        frame.out.append(text)
        if len(stack) == 1 and self.split:
            self.field.append(text)
            self.in_field = True

    def _blank_separated(self, text: str) -> None:
        for char in text:
            if char not in SPACES:
                self.field.append(char)
                self.in_field = True
            elif self.in_field:
                self._end_field()

    def _end_field(self) -> None:
        text = "".join(self.field)
        if text:
            self.fields.append(text)
            self.field = []
            self.in_field = False

    def _unfinished(self, stack: list[_Frame]) -> WordError:
        frame = stack[-1]
        if frame.stop == '"':
            return WordError("the double quote is never closed", frame.opened)
        if frame.stop == "/":
            return WordError("the pattern of '${…/pattern/replacement}' has no second '/'", frame.opened)
        return WordError("'${' has no closing '}'", frame.opened)
