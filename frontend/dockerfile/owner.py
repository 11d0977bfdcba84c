"""Owners: `user[:group]` by name or number."""

from __future__ import annotations

from ...llb import ChownOptions, NamedUser
from .integer import read_int

__all__ = ["parse_owner"]


def parse_owner(text: str, base: int) -> ChownOptions:
    """`base`: the input whose passwd and group files name the names, -1 for none."""
    user, colon, group = text.partition(":")
    return ChownOptions(user=_half(user, base), group=_half(group, base) if colon else None)


def _half(text: str, base: int) -> NamedUser | int:
    if text == "root":
        return 0
    number = read_int(text)
    if number is not None and -(1 << 31) <= number < 1 << 31:
        return number & 0xFFFFFFFF
    return NamedUser(name=text, input=base) if text else 0
