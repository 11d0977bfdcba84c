"""Flags that are repeated with `NAME=VALUE`: what was given, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

__all__ = ["Pairs", "environment_pairs", "value_pairs"]

Pairs: TypeAlias = "tuple[tuple[str, str], ...]"


def environment_pairs(flag: str, texts: Sequence[str], environ: Mapping[str, str]) -> Pairs:
    """`K=V` as it is, `K` from the environment or not at all. A later one replaces an earlier one, in its place."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"{flag} {text!r}: expected KEY or KEY=VALUE")
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return tuple(found.items())


def value_pairs(flag: str, texts: Sequence[str] | None, form: str, *, value_needed: bool = True) -> Pairs:
    """`K=V` each; `K` alone is an empty value where none is needed. `form` is what the error says was expected."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not name or (value_needed and not equals):
            raise UsageError(f"{flag} {text!r}: expected {form}")
        found[name] = value
    return tuple(found.items())
