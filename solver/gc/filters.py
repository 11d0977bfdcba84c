"""`KEY=VALUE`, `KEY!=VALUE`, `KEY~=REGEX` and bare `KEY`: which entries are meant.

Keys are BuildKit's: id, type, parents, description, inuse, shared, private, mutable, immutable, until. Several in one
text, separated by commas, must all hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...values import frozen
from .entry import EntryType
from .quantities import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .entry import Entry

__all__ = ["KEYS", "Filter", "parse_filter"]

_TEXTS: Mapping[str, Callable[[Entry], tuple[str, ...]]] = {
    "id": lambda entry: (entry.id, entry.short_id),
    "type": lambda entry: (entry.type.value,),
    "parents": lambda entry: entry.parents,
    "description": lambda entry: (entry.description,),
}
_FLAGS: Mapping[str, Callable[[Entry], bool]] = {
    "inuse": lambda entry: entry.in_use or bool(entry.images),
    "shared": lambda entry: entry.shared,
    "private": lambda entry: not entry.shared,
    "mutable": lambda entry: entry.mutable,
    "immutable": lambda entry: not entry.mutable,
}
_AGES = frozenset({"until", "unused-for"})  # buildx's older word for the same
KEYS = (*_TEXTS, *_FLAGS, *sorted(_AGES))
_PART = re.compile(r"([a-z-]+)(?:(==|!=|~=|=)(.*))?", re.DOTALL)
_TRUE, _FALSE = frozenset({"", "true", "1"}), frozenset({"false", "0"})


@frozen
class Filter:
    """One condition."""

    key: str
    operator: str = "="  # "=", "!=", "~="
    value: str = ""

    def matches(self, entry: Entry, now: float) -> bool:
        """now: seconds since 1970."""
        if self.key in _AGES:
            return now - entry.last_used >= parse_duration(self.value)
        if self.key in _FLAGS:
            return _FLAGS[self.key](entry) is ((self.value in _TRUE) is (self.operator == "="))
        texts = _TEXTS[self.key](entry)
        if self.operator == "~=":
            return any(re.search(self.value, text) for text in texts)
        return (self.value in texts) is (self.operator == "=")


def parse_filter(text: str) -> tuple[Filter, ...]:
    """Read one text. Raises UsageError."""
    return tuple(_parse_one(part) for part in text.split(","))


def _parse_one(text: str) -> Filter:
    found = _PART.fullmatch(text.strip())
    if not found or found[1] not in KEYS:
        raise UsageError(f"filter {text!r}: unknown key", hint=f"the keys are {', '.join(KEYS)}")
    key, operator, value = found[1], "=" if found[2] in {None, "=="} else found[2], found[3] or ""
    if key in _FLAGS and (value not in _TRUE | _FALSE or operator == "~="):
        raise UsageError(f"filter {text!r}: {key} is true or false")
    if key in _TEXTS and found[2] is None:
        raise UsageError(f"filter {text!r}: expected {key}=VALUE, {key}!=VALUE or {key}~=REGEX")
    if key == "type" and operator != "~=" and value not in {kind.value for kind in EntryType}:
        raise UsageError(f"filter {text!r}: no such type", hint=f"there are {', '.join(k.value for k in EntryType)}")
    try:
        if operator == "~=":
            re.compile(value)
        if key in _AGES:
            parse_duration(value)
    except (re.error, ValueError) as error:
        raise UsageError(f"filter {text!r}: {error}") from None
    if key in _AGES and operator != "=":
        raise UsageError(f"filter {text!r}: expected {key}=DURATION")
    return Filter(key=key, operator=operator, value=value)
