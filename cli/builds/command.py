"""`llbuild builds COMMAND`: finds the command, as `llbuild` itself does; without one, the builds are listed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..main import GLOBAL_FLAGS, split_command
from ..parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COMMANDS", "run"]

# name -> (module, summary); the module has `run(argv) -> int`
COMMANDS = {
    "ls": (".listing", "list the builds, newest first"),
    "show": (".show", "show one: what was asked, what became of each step, warnings, the error"),
    "logs": (".logs", "print what the steps of one printed, or one step of it"),
    "rm": (".remove", "forget builds"),
    "export": (".export", "write everything known of one to a JSON file"),
    "report": (".report", "write a page about one (HTML), or its trace for Perfetto"),
}
_FLAGS = {**GLOBAL_FLAGS, "--format": True}  # of the list, which may stand without its name


def run(argv: Sequence[str]) -> int:
    """`llbuild builds`."""
    command, rest = split_command(argv, _FLAGS)
    if command is not None and command not in COMMANDS:
        raise UsageError(
            f"unknown command 'builds {command}'{suggestion(command, COMMANDS)}",
            hint=f"the commands are {', '.join(COMMANDS)}; a build's number stands after them: llbuild builds show 12",
        )
    found: Callable[[Sequence[str]], int] = import_module(COMMANDS[command or "ls"][0], __package__).run
    return found(rest)
