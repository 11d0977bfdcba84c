"""TOML of a known form: every key known, every value of its type, every complaint with its place."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ConfigError, UsageError
from ...span import Span
from ..parser import suggestion
from .places import find_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .places import Path

__all__ = ["Table", "read_table"]

_T = TypeVar("_T")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_AT_END = re.compile(r" \(at end of document\)$")


def read_table(text: str, file: str) -> Table:
    """The top table of a TOML text; `file` is what to call it. Raises ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, arrays in arrays without end
        what = "it is nested too deep" if isinstance(error, RecursionError) else "it has a value that is too large"
        raise ConfigError(what, at=Span(file, 1), source=text) from None
    return Table(values, (), text, file)


def _syntax_error(message: str, text: str, path: str) -> ConfigError:
    found = _AT.search(message)
    lines = text.splitlines() or [""]
    at = Span(path, int(found[1]), int(found[2])) if found else Span(path, len(lines), len(lines[-1]) + 1)
    words = _AT_END.sub("", _AT.sub("", message))
    return ConfigError(words[:1].lower() + words[1:], at=at, source=text)


class Table:
    """One table of a file, and where it is. What it gives raises ConfigError at its place."""

    def __init__(self, values: dict[str, Any], path: Path, text: str, file: str) -> None:
        self.values = values
        self._path = path
        self._text = text
        self._file = file

    def check(self, known: Collection[str]) -> None:
        """Raises ConfigError for a key that is not known."""
        for key in self.values:
            if key not in known:
                raise self.error(key, f"unknown key {key!r}{suggestion(key, known)}", f"known are {', '.join(known)}")

    def table(self, key: str) -> Table:
        return Table(self._typed(key, dict, "a table", {}), (*self._path, key), self._text, self._file)

    def tables(self, key: str) -> list[Table]:
        """An array of tables."""
        found = self._typed(key, list, "an array of tables", [])
        if not all(isinstance(item, dict) for item in found):
            raise self.error(key, f"expected an array of tables ([[{'.'.join(map(str, (*self._path, key)))}]])")
        return [Table(item, (*self._path, key, n), self._text, self._file) for n, item in enumerate(found)]

    def text(self, key: str, default: str = "") -> str:
        return self._typed(key, str, "a text", default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        return self._typed(key, bool, "true or false", default)

    def texts(self, key: str, check: Callable[[str], object] = str) -> tuple[str, ...]:
        """An array of texts. `check` raises ValueError for one that cannot be."""
        found = self._typed(key, list, "an array of texts", [])
        if not all(isinstance(item, str) for item in found):
            raise self.error(key, "expected an array of texts")
        try:
            for item in found:
                check(item)
        except ValueError as error:
            raise self.error(key, str(error)) from None
        return tuple(found)

    def number(self, key: str, default: int, *, least: int) -> int:
        found = self._typed(key, int, "a whole number", default)
        if isinstance(found, bool) or (key in self.values and found < least):
            raise self.error(key, f"expected a whole number from {least} up, found {_shown(self.values[key])}")
        return found

    def parsed(self, key: str, parse: Callable[[str], _T], default: _T) -> _T:
        """A text, or a number that stands for one, as `parse` reads it."""
        if key not in self.values:
            return default
        found = self.values[key]
        if not isinstance(found, str | int) or isinstance(found, bool):
            raise self.error(key, f"expected a text or a number, found {_shown(found)}")
        try:
            return parse(str(found))
        except ValueError as error:
            raise self.error(key, str(error)) from None
        except UsageError as error:
            raise self.error(key, error.message, error.hint) from None

    def needed(self, key: str, parse: Callable[[str], str]) -> str:
        """A text that must be there, as `parse` gives it."""
        if not self.text(key):
            raise self.error(key, f"{key} is missing")
        return self.parsed(key, parse, "")

    def error(self, key: str, message: str, hint: str = "") -> ConfigError:
        at = find_key(self._text, self._file, (*self._path, key))
        return ConfigError(message, at=at, source=self._text, hint=hint)

    def _typed(self, key: str, kind: type[_T], what: str, default: _T) -> _T:
        found = self.values.get(key, default)
        if not isinstance(found, kind):
            raise self.error(key, f"{key}: expected {what}, found {_shown(found)}")
        return found


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}"
    return "a table" if isinstance(value, dict) else "an array" if isinstance(value, list) else str(value)
