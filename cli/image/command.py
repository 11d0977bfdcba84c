"""`llbuild image COMMAND`: finds the command. All but one are commands of llbuild itself under docker's other name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ...errors import UsageError
from ..main import split_command
from ..parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COMMANDS", "run"]

# name -> (module, summary); the module has `run(argv) -> int`
COMMANDS = {
    "ls": (".images", "the same as 'llbuild images'"),
    "rm": (".rmi", "the same as 'llbuild rmi'"),
    "prune": (".prune", "remove images without a name, or all"),
    "inspect": (".inspect", "the same as 'llbuild inspect'"),
    "history": (".history", "the same as 'llbuild history'"),
    "pull": (".pull", "the same as 'llbuild pull'"),
    "push": (".push", "the same as 'llbuild push'"),
    "tag": (".tag", "the same as 'llbuild tag'"),
    "save": (".save", "the same as 'llbuild save'"),
    "load": (".load", "the same as 'llbuild load'"),
}


def run(argv: Sequence[str]) -> int:
    """`llbuild image`."""
    command, rest = split_command(argv)
    if command is None and {"-h", "--help"} & set(rest):
        print("Usage: llbuild image COMMAND\n\nCommands:")
        print("".join(f"  {name:9} {summary}\n" for name, (_, summary) in COMMANDS.items()), end="")
        return 0
    known = f"the commands are {', '.join(COMMANDS)}"
    if command is None:
        raise UsageError("a command is missing", hint=known)
    if command not in COMMANDS:
        raise UsageError(f"unknown command 'image {command}'{suggestion(command, COMMANDS)}", hint=known)
    found: Callable[[Sequence[str]], int] = import_module(COMMANDS[command][0], __package__).run
    return found(rest)
