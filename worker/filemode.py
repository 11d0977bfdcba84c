"""Permissions a copy is given: octal, or symbolic as chmod(1) reads them."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..llb import FileCopy

__all__ = ["mode_change"]

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_PART = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}


def mode_change(copy: FileCopy) -> Callable[[int], int] | None:
    """From a file's whole st_mode to the permissions of its copy; None to keep them. Raises LlbuildError."""
    if copy.mode_text:
        clauses = [_CLAUSE.fullmatch(part) for part in copy.mode_text.split(",")]
        if None in clauses:
            raise LlbuildError(f"{copy.mode_text!r} is no file mode; expected e.g. 755, u=rwX,go=rX or +x")
        parts = [(clause[1] or "a", clause[2]) for clause in clauses if clause is not None]
        return lambda mode: _apply(mode, parts)
    if copy.mode >= 0:
        fixed = copy.mode & 0o7777
        return lambda _: fixed
    return None


def _apply(mode: int, clauses: list[tuple[str, str]]) -> int:
    value = stat.S_IMODE(mode)
    for who, changes in clauses:
        mask = 0
        for letter in who:
            mask |= _WHO[letter]
        for sign, letters in _PART.findall(changes):
            bits = _bits(letters, mode, value) & mask
            if sign == "+":
                value |= bits
            elif sign == "-":
                value &= ~bits
            else:
                value = (value & ~(mask & 0o777)) | bits
    return value


def _bits(letters: str, mode: int, value: int) -> int:
    bits = 0
    for letter in letters:
        if letter == "X":
            bits |= 0o111 if stat.S_ISDIR(mode) or value & 0o111 else 0
        elif letter == "s":
            bits |= 0o6000
        elif letter == "t":
            bits |= 0o1000
        elif letter in _SHIFT:  # g=u: what the other one may
            bits |= 0o111 * (value >> _SHIFT[letter] & 7)
        else:
            bits |= _BITS[letter]
    return bits
