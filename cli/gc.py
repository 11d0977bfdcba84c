"""Cleaning up after a build, at most once in an interval. When nothing is due it costs one look at a file's time."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from ..errors import LlbuildError

if TYPE_CHECKING:
    from ..solver import Emit
    from .config.values import GcConfig
    from .state import State

__all__ = ["collect_if_due"]


def collect_if_due(state: State, config: GcConfig, emit: Emit) -> None:
    """Apply the policy, when its time has come and no other process is at it. No build fails for what goes wrong here.

    The first build in a folder only starts the clock.
    """
    if not config.enabled:
        return
    stamp = f"{state.folder}/locks/gc"
    try:
        age_s = time.time() - os.stat(stamp).st_mtime
    except FileNotFoundError:
        _touch(stamp)
        return
    if 0 <= age_s < config.interval_s:  # a time to come was written before a clock was set back
        return
    try:
        _collect(state, config, emit, stamp)
    except (LlbuildError, OSError) as error:
        _log_failure(error)


def _touch(stamp: str) -> None:
    try:
        with open(stamp, "ab"):
            os.utime(stamp)
    except OSError as error:
        _log_failure(error)


def _log_failure(error: Exception) -> None:
    from ..log import log

    log.warning("gc_failed", reason=str(error))


def _collect(state: State, config: GcConfig, emit: Emit, stamp: str) -> None:
    from .phases import phase
    from .storage import apply_rules, rules_of
    from .units import human_size

    with open(stamp, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        os.utime(stamp)
        with phase("[internal] collecting garbage", emit) as reporter:
            collected = apply_rules(state, lambda disk: rules_of(config, disk))
            state.database.settle()
            if collected.entries:
                said = f"{len(collected.entries)} entries removed, {human_size(collected.freed_bytes)} freed\n"
                reporter.log(1, said.encode())
