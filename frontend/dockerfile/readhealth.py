"""HEALTHCHECK: its two forms, durations and retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DockerfileError
from . import instructions as ins
from .duration import parse_duration
from .flags import Flag, Flags, read_flags
from .integer import read_int

if TYPE_CHECKING:
    from .parser import Node

__all__ = ["read_healthcheck"]

_INTERVALS = ("interval", "timeout", "start-period", "start-interval")
_HEALTHCHECK = {**dict.fromkeys(_INTERVALS, Flag.VALUE), "retries": Flag.VALUE}


def read_healthcheck(node: Node) -> ins.Healthcheck:
    """Raises DockerfileError at what is wrong."""
    words = node.arguments.words
    if not words:
        raise DockerfileError("HEALTHCHECK needs CMD or NONE", at=node.line.at)
    kind, *rest = words
    if kind.text.upper() == "NONE":
        if rest:
            raise DockerfileError("HEALTHCHECK NONE takes no arguments", at=rest[0].at)
        return ins.Healthcheck(node=node, test=("NONE",))
    flags = read_flags(node, _HEALTHCHECK)
    if kind.text.upper() != "CMD":
        raise DockerfileError(
            f"HEALTHCHECK takes CMD or NONE, not {kind.text!r}", at=kind.at, hint=f"write HEALTHCHECK CMD {kind.text}"
        )
    if not rest:
        raise DockerfileError("HEALTHCHECK CMD has no command", at=kind.at)
    form = "CMD" if node.arguments.json else "CMD-SHELL"
    interval, timeout, start_period, start_interval = (_interval(flags, name) for name in _INTERVALS)
    return ins.Healthcheck(
        node=node,
        test=(form, *(word.text for word in rest)),
        interval_ns=interval,
        timeout_ns=timeout,
        start_period_ns=start_period,
        start_interval_ns=start_interval,
        retries=_retries(flags),
    )


def _interval(flags: Flags, name: str) -> int:
    word = flags.word(name)
    if word is None or not word.text:
        return 0
    try:
        duration = parse_duration(word.text)
    except ValueError as error:
        raise DockerfileError(f"--{name}: {error}", at=word.at, hint="write e.g. 30s, 1m30s, 500ms") from None
    if duration != 0 and duration < 10**6:
        raise DockerfileError(f"--{name} is {word.text}; it must be at least 1ms", at=word.at)
    return duration


def _retries(flags: Flags) -> int:
    word = flags.word("retries")
    if word is None or not word.text:
        return 0
    retries = read_int(word.text)
    if retries is None or not -(1 << 31) <= retries < 1 << 31:
        raise DockerfileError(f"--retries is a number, not {word.text!r}", at=word.at)
    if retries < 0:
        raise DockerfileError(f"--retries is {word.text}; it cannot be negative", at=word.at)
    return retries
