"""The processes of this machine, as tests look for them: by the words of their command, while others come and go."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

__all__ = ["commands", "having_word", "outliving"]


def commands() -> dict[int, bytes]:
    """The command of each process, its words ended by NUL (proc(5), cmdline). Those that end meanwhile are left out."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(entry.name)] = (entry / "cmdline").read_bytes()
    return found


def having_word(word: str) -> list[int]:
    """The processes that have `word` as an argument."""
    return [pid for pid, command in commands().items() if word.encode() in command.split(b"\0")]


def outliving(word: str, seconds: float = 10.0) -> list[int]:
    """The same, once those that are being killed have had the time to end: nobody waits for them any more."""
    deadline = time.monotonic() + seconds
    while (left := having_word(word)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
