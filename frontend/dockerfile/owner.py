"""Owners: `user[:group]` by name or number."""

from __future__ import annotations

import re

from ...llb import ChownOptions, NamedUser

__all__ = ["parse_owner"]

_NUMBER = re.compile(r"[+-]?[0-9]{1,10}")


def parse_owner(text: str, base: int) -> ChownOptions:
    """`base`: the input whose passwd and group files name the names, -1 for none."""
    user, colon, group = text.partition(":")
    return ChownOptions(user=_half(user, base), group=_half(group, base) if colon else None)


def _half(text: str, base: int) -> NamedUser | int:
    if text == "root":
        return 0
    if _NUMBER.fullmatch(text) and -(1 << 31) <= int(text) < 1 << 31:
        return int(text) & 0xFFFFFFFF
    return NamedUser(name=text, input=base) if text else 0
