"""Signal names of STOPSIGNAL, those of Linux."""

from __future__ import annotations

import re

__all__ = ["is_signal"]

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_REALTIME = re.compile(r"RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?")
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
    if _NUMBER.fullmatch(text):
        return int(text) != 0
    name = text.upper().removeprefix("SIG")
    return name in _NAMES or _REALTIME.fullmatch(name) is not None
