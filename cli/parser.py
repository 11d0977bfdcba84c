"""Argument parsing shared by the commands: the flags every command has, and errors that help.

argparse does the work; what differs is that `--flag=true` and `--flag=false` are understood as with
docker, that nothing is abbreviated, and that a misspelt flag is answered with the right one.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, NoReturn

from ..errors import UsageError
from ..values import frozen
from .config.values import Config, load_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["CommandParser", "GlobalOptions", "default_root", "read_globals", "start_log", "suggestion"]

LOG_FORMS = ("console", "json")


@frozen
class GlobalOptions:
    """What every command knows: the state folder (absolute), the diagnostic log, and the config file."""

    root: str
    debug: bool = False
    log_form: str = ""  # "console", "json" or "": nobody asked
    config: Config = Config()


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


class CommandParser(argparse.ArgumentParser):
    """The parser of one command. Wrong usage raises UsageError; --help prints and raises SystemExit."""

    def __init__(self, command: str, description: str, *, usage: str | None = None, epilog: str | None = None) -> None:
        super().__init__(
            prog=f"llbuild {command}",
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.not_yet: frozenset[str] = frozenset()  # flags that others have, and that must not look misspelt
        self._positionals.title = "arguments"
        self._flags = self.add_argument_group("flags")

    def add_flag(self, *names: str, help: str) -> None:  # noqa: A002  argparse's word
        """A switch, off unless given: --name, --name=true, --name=false."""
        name = names[-1]
        dest = name.lstrip("-").replace("-", "_")
        self._flags.add_argument(*names, dest=dest, action="store_true", help=help)
        for value in ("true", "1", "false", "0"):  # argparse matches the whole word before it splits at "="
            action = "store_true" if value in {"true", "1"} else "store_false"
            self.add_argument(f"{name}={value}", dest=dest, action=action, default=False, help=argparse.SUPPRESS)

    def add_value(self, *names: str, metavar: str, help: str, many: bool = False) -> None:  # noqa: A002
        """A flag with a value; `many`: may be repeated, and gives a list."""
        self._flags.add_argument(*names, metavar=metavar, help=help, action="append" if many else "store")

    def add_command_words(self, name: str, *, help: str) -> None:  # noqa: A002
        """All that is left, flags and all: another program's command line."""
        self.add_argument(name, metavar=name.upper(), nargs=argparse.REMAINDER, help=help)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Read a command's arguments.

        Raises UsageError naming what is wrong, with the flag that was probably meant.
        """
        self.add_value("--root", metavar="DIR", help="state folder ($LLBUILD_ROOT)")
        self.add_flag("--debug", help="log what llbuild does to stderr, and show tracebacks")
        self.add_value("--log-format", metavar="|".join(LOG_FORMS), help="form of that log")
        self._flags.add_argument("-h", "--help", action="help", help="show this help")
        known, unknown = self.parse_known_args(list(argv))
        flag = next((word.partition("=")[0] for word in unknown if word.startswith("-") and word != "-"), None)
        if flag is not None and flag in self.not_yet:
            raise UsageError(f"{flag} is not supported yet")
        if flag is not None:
            raise UsageError(f"unknown flag {flag!r}{suggestion(flag, self._visible_flags())}")
        if unknown:
            raise UsageError(f"unexpected argument {unknown[0]!r}")
        return known

    def begin(self, argv: Sequence[str]) -> tuple[argparse.Namespace, GlobalOptions]:
        """What a command begins with: arguments read, the diagnostic log turned on. Raises UsageError, ConfigError."""
        found = self.parse(argv)
        options = read_globals(found, os.environ)
        start_log(options)
        return found, options

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise UsageError(_plain_words(message))

    def _visible_flags(self) -> list[str]:
        return [name for name in self._option_string_actions if "=" not in name]


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


def suggestion(word: str, known: Iterable[str]) -> str:
    """ " (did you mean …?)" when something known looks like it, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def read_globals(arguments: argparse.Namespace, environ: Mapping[str, str]) -> GlobalOptions:
    """The flags of every command, their environment variables, and the config file. Raises UsageError, ConfigError."""
    form = arguments.log_format or ""
    if form and form not in LOG_FORMS:
        raise UsageError(f"--log-format {form!r}; expected one of {', '.join(LOG_FORMS)}")
    if arguments.root == "":
        raise UsageError("--root is empty; expected a folder")
    config = load_config(environ)
    root = arguments.root or environ.get("LLBUILD_ROOT") or config.defaults.root or default_root(environ, os.geteuid())
    return GlobalOptions(root=os.path.abspath(root), debug=arguments.debug, log_form=form, config=config)


def start_log(options: GlobalOptions) -> None:
    """Turn the diagnostic log on, if it was asked for."""
    if options.debug or options.log_form:
        from .diagnostics import configure_log

        configure_log(debug=options.debug, form=options.log_form or "console")


def default_root(environ: Mapping[str, str], euid: int) -> str:
    """Where state is kept when nobody says."""
    if euid == 0:
        return "/var/lib/llbuild"
    data = environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):  # the XDG specification: a relative path is to be ignored
        data = os.path.join(_home(environ), ".local/share")
    return os.path.join(data, "llbuild")


def _home(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise UsageError("no home folder to keep state in ($HOME is not set)", hint="say where with --root DIR")
    return home
