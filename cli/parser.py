"""Argument parsing shared by the commands: the flags every command has, and errors that help.

What is well-formed in the plainest way is read here, by a table. Everything else is argparse's (`usage.py`), which
costs a thirtieth of a cached build to load and fill: help, errors, and what can be said in more ways than one.
`--flag=true` and `--flag=false` are understood as with docker, and nothing is abbreviated.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UsageError
from ..values import frozen
from .config.values import Config, load_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "REST",
    "CommandParser",
    "Flag",
    "Found",
    "GlobalOptions",
    "Word",
    "default_root",
    "read_globals",
    "start_log",
    "suggestion",
]

LOG_FORMS = ("console", "json")
_SAID = {"true": True, "1": True, "false": False, "0": False}
REST = "..."  # `nargs` of a word that stands for all that is left, flags and all


@frozen
class GlobalOptions:
    """What every command knows: the state folder (absolute), the diagnostic log, and the config file."""

    root: str
    debug: bool = False
    log_form: str = ""  # "console", "json" or "": nobody asked
    config: Config = Config()


class Found(SimpleNamespace):
    """What was read: an attribute for every flag and word."""


class Flag(NamedTuple):
    """`names`: short ones first, the last one is asked for. `metavar` "": a switch. `many`: gives a list."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    many: bool = False

    @property
    def dest(self) -> str:
        return self.names[-1].lstrip("-").replace("-", "_")


class Word(NamedTuple):
    """A word that is no flag, by its place. `nargs`: None (one), "?", "*", "+" or REST."""

    dest: str
    metavar: str
    help: str
    nargs: str | None = None
    default: str | None = None


class CommandParser:
    """The parser of one command. Wrong usage raises UsageError; --help prints and raises SystemExit."""

    def __init__(self, command: str, description: str, *, usage: str | None = None, epilog: str | None = None) -> None:
        self.command = command
        self.description = description
        self.usage = usage
        self.epilog = epilog
        self.flags: list[Flag] = []
        self.words: list[Word] = []
        self.defaults: dict[str, object] = {}
        self.not_yet: frozenset[str] = frozenset()  # flags that others have, and that must not look misspelt

    def add_flag(self, *names: str, help: str) -> None:  # noqa: A002  argparse's word
        """A switch, off unless given: --name, --name=true, --name=false."""
        self.flags.append(Flag(names, help))

    def add_value(self, *names: str, metavar: str, help: str, many: bool = False) -> None:  # noqa: A002
        """A flag with a value; `many`: may be repeated, and gives a list."""
        self.flags.append(Flag(names, help, metavar, many))

    def add_word(
        self,
        dest: str,
        *,
        metavar: str,
        help: str,  # noqa: A002
        nargs: str | None = None,
        default: str | None = None,
    ) -> None:
        """A word that is no flag: the next one, or with `nargs` none or one, any number, at least one, or the rest."""
        self.words.append(Word(dest, metavar, help, nargs, default))

    def set_defaults(self, **defaults: object) -> None:
        """What flags that were not given are, instead of None and False."""
        self.defaults.update(defaults)

    def parse(self, argv: Sequence[str]) -> Found:
        """Read a command's arguments.

        Raises UsageError naming what is wrong, with the flag that was probably meant.
        """
        self.add_value("--root", metavar="DIR", help="state folder ($LLBUILD_ROOT)")
        self.add_flag("--debug", help="log what llbuild does to stderr, and show tracebacks")
        self.add_value("--log-format", metavar="|".join(LOG_FORMS), help="form of that log")
        values = self.read_plain(argv)
        if values is None:
            from .usage import read_all_forms

            return read_all_forms(self, argv)
        return Found(**values)

    def read_plain(self, argv: Sequence[str]) -> dict[str, object] | None:
        """What the words say, if they are all as plain as they can be; else None."""
        values: dict[str, object] = {flag.dest: None if flag.metavar else False for flag in self.flags}
        values |= self.defaults
        flags = {name: flag for flag in self.flags for name in flag.names}
        words: list[str] = []
        end_of_words = 0
        at = 0
        while at < len(argv):
            word = argv[at]
            at += 1
            if word[:1] != "-" or word == "-":
                if words and end_of_words != at - 1:
                    return None
                words.append(word)
                end_of_words = at
                continue
            name, equals, value = word.partition("=")
            flag = flags.get(name)
            if flag is None:
                return None
            if flag.metavar:
                if not equals:
                    if at == len(argv) or (argv[at][:1] == "-" and argv[at] != "-"):
                        return None
                    value = argv[at]
                    at += 1
                if flag.many:
                    known = values[flag.dest]
                    values[flag.dest] = [*known, value] if isinstance(known, list) else [value]
                else:
                    values[flag.dest] = value
            elif not equals:
                values[flag.dest] = True
            elif name == flag.names[-1] and value in _SAID:
                values[flag.dest] = _SAID[value]
            else:
                return None
        return values if self._place(words, values) else None

    def _place(self, words: Sequence[str], values: dict[str, object]) -> bool:
        """Give the words their names; False when they are too few or too many."""
        at = 0
        for dest, _, _, nargs, default in self.words:
            if nargs == REST:
                return False
            if nargs in {"*", "+"}:
                values[dest] = list(words[at:])
                if nargs == "+" and at >= len(words):
                    return False
                at = len(words)
            elif at < len(words):
                values[dest] = words[at]
                at += 1
            elif nargs == "?":
                values[dest] = default
            else:
                return False
        return at == len(words)

    def begin(self, argv: Sequence[str]) -> tuple[Found, GlobalOptions]:
        """What a command begins with: arguments read, the diagnostic log turned on. Raises UsageError, ConfigError."""
        found = self.parse(argv)
        options = read_globals(found, os.environ)
        start_log(options)
        return found, options


def suggestion(word: str, known: Iterable[str]) -> str:
    """ " (did you mean …?)" when something known looks like it, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def read_globals(arguments: Found, environ: Mapping[str, str]) -> GlobalOptions:
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
