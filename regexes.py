"""Regular expressions that are compiled when they are first used.

Compiling one takes 0.05 to 0.4 ms, the modules of a fully cached build have thirty of them, and it uses four.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

__all__ = ["lazy_regex"]


class _LazyRegex:
    """Its methods are the compiled one's: fetched once, then plain attributes."""

    def __init__(self, source: str, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by copy, pickle and the like, which may find none
            raise AttributeError(name)
        found = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, found)
        return found


def lazy_regex(source: str, flags: int = 0) -> re.Pattern[str]:
    """`re.compile`, later. Only for sources that are in the program: a wrong one is found at its first use."""
    if TYPE_CHECKING:
        return re.compile(source, flags)
    return cast("re.Pattern[str]", _LazyRegex(source, flags))
