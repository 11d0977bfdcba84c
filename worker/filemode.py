"""Permissions a copy is given: octal, or symbolic as chmod(1) reads them.

Facts: github.com/tonistiigi/dchapes-mode, which BuildKit uses, after BSD's setmode(3). No umask has a say.
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from ..errors import LlbuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..llb import FileCopy

__all__ = ["mode_change"]

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_PART = re.compile(r"([-+=])([rwxXstugo]*)")
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_EXECUTE = 0o111


def mode_change(copy: FileCopy) -> Callable[[int], int] | None:
    """From a file's whole st_mode to the permissions of its copy; None to keep them. Raises LlbuildError."""
    text = copy.mode_text
    if not text:
        if copy.mode < 0:
            return None
        fixed = copy.mode & 0o7777
        return lambda _: fixed
    if re.fullmatch("[0-7]{1,5}", text) and int(text, 8) <= 0o7777:
        octal = int(text, 8)
        return lambda _: octal
    clauses = [_CLAUSE.fullmatch(part) for part in text.split(",")]
    if None in clauses:
        raise LlbuildError(f"{text!r} is no file mode; expected e.g. 755, u=rwX,go=rX or +x")
    changes = [
        (clause[1] or "a", sign, letters)
        for clause in clauses
        if clause is not None
        for sign, letters in _PART.findall(clause[2])
    ]
    return lambda mode: _apply(mode, changes)


def _apply(mode: int, changes: Sequence[tuple[str, str, str]]) -> int:
    value = stat.S_IMODE(mode)
    for who, sign, letters in changes:
        mask = 0
        for letter in who:
            mask |= _WHO[letter]
        if "t" in letters and mask != _WHO["o"]:
            mask |= _BITS["t"]
        bits = 0
        for letter in letters:
            bits |= _granted(letter, sign, mode, value)
        bits &= mask
        if sign == "+":
            value |= bits
        elif sign == "-":
            value &= ~bits
        else:
            value = (value & ~mask) | bits
    return value


def _granted(letter: str, sign: str, mode: int, value: int) -> int:
    """What a letter stands for, before who it is for is considered."""
    if letter == "X":  # asks what the file was, not what the clauses before made of it
        return _EXECUTE if sign == "-" or stat.S_ISDIR(mode) or mode & _EXECUTE else 0
    if letter in _SHIFT:
        return (value >> _SHIFT[letter] & 7) * _EXECUTE
    return _BITS[letter]
