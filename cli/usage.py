"""The same arguments read by argparse: all the ways to say them, help, and what is wrong with them."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, NoReturn

from ..errors import UsageError
from .parser import REST, Found, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parser import CommandParser, Flag

__all__ = ["read_all_forms"]


def read_all_forms(command: CommandParser, argv: Sequence[str]) -> Found:
    """Read a command's arguments. Raises UsageError; SystemExit after printing help."""
    parser = _Parser(command)
    found = Found()
    _, unknown = parser.parse_known_args(list(argv), found)
    flag = next((word.partition("=")[0] for word in unknown if word.startswith("-") and word != "-"), None)
    if flag is not None and flag in command.not_yet:
        raise UsageError(f"{flag} is not supported yet")
    if flag is not None:
        known = [name for each in command.flags for name in each.names]
        raise UsageError(f"unknown flag {flag!r}{suggestion(flag, [*known, '-h', '--help'])}")
    if unknown:
        raise UsageError(f"unexpected argument {unknown[0]!r}")
    return found


class _Formatter(argparse.HelpFormatter):
    """Asks nobody for the terminal's size unless help is wanted: that costs an import per flag."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, max_help_position=32, width=int(columns) if columns.isdecimal() else 100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """`-f, --file FILE` instead of `-f FILE, --file FILE`."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"


class _Parser(argparse.ArgumentParser):
    def __init__(self, command: CommandParser) -> None:
        super().__init__(
            prog=f"llbuild {command.command}",
            usage=command.usage,
            description=command.description,
            epilog=command.epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._positionals.title = "arguments"
        flags = self.add_argument_group("flags")
        for word in command.words:
            nargs = argparse.REMAINDER if word.nargs == REST else word.nargs
            self.add_argument(word.dest, metavar=word.metavar, nargs=nargs, default=word.default, help=word.help)
        for flag in command.flags:
            self._add(flags, flag)
        flags.add_argument("-h", "--help", action="help", help="show this help")
        self.set_defaults(**command.defaults)

    def _add(self, group: argparse._ArgumentGroup, flag: Flag) -> None:
        if flag.metavar:
            action = "append" if flag.many else "store"
            group.add_argument(*flag.names, dest=flag.dest, metavar=flag.metavar, action=action, help=flag.help)
            return
        group.add_argument(*flag.names, dest=flag.dest, action="store_true", help=flag.help)
        for value in ("true", "1", "false", "0"):  # argparse matches the whole word before it splits at "="
            action = "store_true" if value in {"true", "1"} else "store_false"
            name = f"{flag.names[-1]}={value}"
            self.add_argument(name, dest=flag.dest, action=action, default=False, help=argparse.SUPPRESS)

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise UsageError(_plain_words(message))


def _plain_words(message: str) -> str:
    """argparse's sentences, shorter: "flag -t/--tag needs a value"."""
    subject, _, complaint = message.partition(": ")
    if subject.startswith("argument -"):
        flag = subject.removeprefix("argument ")
        if complaint == "expected one argument":
            return f"flag {flag} needs a value"
        if complaint.startswith("ignored explicit argument"):
            return f"flag {flag} takes no value other than true or false"
        return f"flag {flag}: {complaint}"
    if subject == "the following arguments are required":
        return f"{complaint.removesuffix(', COMMAND')} is missing"  # argparse counts "all that is left" as required
    return message
