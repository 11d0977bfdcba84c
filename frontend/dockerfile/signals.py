"""Signal names of STOPSIGNAL, those of Linux."""

from __future__ import annotations

import re

from .integer import read_int

__all__ = ["is_signal"]

_REALTIME = r"RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?"
_NAMES = frozenset(
    {
        *(
            "ABRT",
            "ALRM",
            "BUS",
            "CHLD",
            "CLD",
            "CONT",
            "FPE",
            "HUP",
            "ILL",
            "INT",
            "IO",
            "IOT",
            "KILL",
            "PIPE",
            "POLL",
        ),
        *("PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG"),
        *("USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ"),
    }
)


def is_signal(text: str) -> bool:
    """A number but 0, or a name with or without SIG."""
    number = read_int(text)
    if number is not None:
        return number != 0
    name = text.upper().removeprefix("SIG")
    return name in _NAMES or re.fullmatch(_REALTIME, name) is not None
