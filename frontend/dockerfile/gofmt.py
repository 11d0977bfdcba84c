"""Texts of an image's history as Go formats them (`%q`, `%v`): other tools show and compare these."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["go_json", "go_list", "go_quote", "go_quoted_list"]

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def go_quote(text: str) -> str:
    """strconv.Quote."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_quoted, text)) + '"'


def _quoted(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_quoted_list(items: Iterable[str]) -> str:
    return "[" + " ".join(map(go_quote, items)) + "]"


def go_list(items: Iterable[str]) -> str:
    return "[" + " ".join(items) + "]"


def go_json(items: Iterable[str]) -> str:
    """A JSON array as Go's encoder writes it: no blanks, `<`, `>`, `&` and line separators escaped."""
    import json

    text = json.dumps(list(items), ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        if char in text:
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text
