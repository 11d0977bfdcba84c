"""The way in: find the command, import only what it needs, turn every end into an exit code.

0 done · 1 failed · 2 wrong usage · 130 Ctrl-C · 143 SIGTERM · 141 the reader of our output went away.
Imports stay inside functions here: a cached build lasts about as long as importing one careless module.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from .interrupts import Signals

__all__ = ["COMMANDS", "GLOBAL_FLAGS", "main", "program", "split_command"]

# name -> (module, summary); the module has `run(argv) -> int`
COMMANDS = {
    "build": (".build", "build an image from a Dockerfile"),
    "lock": (".lock", "hold the sources of a build to what they are now"),
    "check": (".check", "say what is wrong, or could be better, in a Dockerfile"),
    "compile": (".compile", "print the graph that a build file compiles to, and build nothing"),
    "solve": (".solve", "build a definition that was compiled before, or by something else"),
    "run": (".run", "run a command in an image of the local store"),
    "builds": (".builds", "list the builds made here, show one, write a report of it"),
    "graph": (".graph", "draw the graph of a build: SVG, Graphviz, Mermaid or JSON"),
    "images": (".image.images", "list the images of the local store"),
    "image": (".image.command", "the same commands under docker's other names, and image prune"),
    "history": (".image.history", "show how an image came to be, layer by layer"),
    "inspect": (".image.inspect", "show an image's digest, config and layers as JSON"),
    "explain": (".explain", "say why the steps of a build ran, or did not have to"),
    "pull": (".image.pull", "bring images from registries into the local store"),
    "push": (".image.push", "send images of the local store to registries"),
    "login": (".image.login", "log in to a registry"),
    "logout": (".image.logout", "forget the login at a registry"),
    "referrers": (".image.referrers", "list what a registry has about an image: signatures and the like"),
    "tag": (".image.tag", "give an image another name"),
    "save": (".image.save", "write an image as an archive"),
    "load": (".image.load", "take images out of an archive into the local store"),
    "rmi": (".image.rmi", "remove names of images from the local store"),
    "du": (".du", "show what takes room in the state folder"),
    "prune": (".prune", "remove what no image and no running build needs"),
    "verify-reproducible": (".reproducible", "build twice from nothing, and show what came out differently"),
    "verify": (".verify", "check everything that is stored, and mend it"),
    "config": (".show_config", "show the configuration, and where it comes from"),
    "import": (".image.import_", "make an image from a root filesystem (folder or tar)"),
    "info": (".info", "say what this machine has for builds, and what to enable for more"),
    "version": (".version", "print the version"),
}
# flags that may stand before the command, and whether they take a value
GLOBAL_FLAGS = {"--debug": False, "--log-format": True, "--root": True}


def program() -> NoReturn:
    """The console script: `main` as a process of its own, which owes nothing to whoever comes after it."""
    # Start-up makes tens of thousands of lasting objects: looking for garbage among them takes a fifth of it.
    gc.set_threshold(100_000)
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)  # taking the interpreter apart would cost another tenth of a cached build


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. `argv` is without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        from .interrupts import deliver_signals

        with deliver_signals() as signals:
            return _guarded(arguments, signals)
    except KeyboardInterrupt:  # came before or after the guard's own handlers
        return 130


def _guarded(arguments: list[str], signals: Signals) -> int:
    try:
        _prepare_streams()
        try:
            code = _dispatch(arguments)
        except SystemExit as exc:  # argparse has printed help
            code = exc.code if isinstance(exc.code, int) else 0
        sys.stdout.flush()
    except BaseException as exc:  # noqa: BLE001  the edge: every end becomes a line and a code
        from .edge import conclude

        return conclude(exc, arguments=arguments, exit_code=signals.exit_code)
    return code


def _dispatch(arguments: list[str]) -> int:
    command, rest = split_command(arguments)
    if command is None:
        return _without_command(rest)
    if command == "help":
        return _dispatch([*rest, "--help"])
    if command not in COMMANDS:
        from ..errors import UsageError
        from .parser import suggestion

        raise UsageError(
            f"unknown command {command!r}{suggestion(command, COMMANDS)}",
            hint="run 'llbuild --help' for the list of commands",
        )
    from importlib import import_module

    run: Callable[[Sequence[str]], int] = import_module(COMMANDS[command][0], __package__).run
    return run(rest)


def split_command(arguments: Sequence[str], flags: Mapping[str, bool] = GLOBAL_FLAGS) -> tuple[str | None, list[str]]:
    """Take the command's word out; what stood before it are `flags` of every command: whether each takes a value."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        word = arguments[at]
        at += 2 if flags.get(word, False) else 1
        if word in {"-h", "--help", "--version"}:
            break
    else:
        if at < len(arguments):
            return arguments[at], [*arguments[:at], *arguments[at + 1 :]]
    return None, list(arguments)


def _without_command(arguments: list[str]) -> int:
    if "--version" in arguments:
        from .version import run

        return run([])
    if not arguments or arguments[-1] in {"-h", "--help"}:
        print(help_text(), end="")
        return 0
    from ..errors import UsageError
    from .parser import suggestion

    unknown = next((word for word in arguments if word.partition("=")[0] not in GLOBAL_FLAGS), None)
    if unknown is None or not unknown.startswith("-"):
        raise UsageError("a command is missing", hint="run 'llbuild --help' for the list of commands")
    known = [*GLOBAL_FLAGS, "--help", "--version"]
    raise UsageError(f"unknown flag {unknown!r}{suggestion(unknown, known)}", hint="run 'llbuild --help' for the flags")


def help_text() -> str:
    """What `llbuild --help` prints."""
    commands = "\n".join(f"  {name:19} {summary}" for name, (_, summary) in COMMANDS.items())
    return f"""\
usage: llbuild [--root DIR] [--debug] COMMAND ...

Builds container images from Dockerfiles: no daemon, no Docker, no root needed.

commands:
{commands}

flags of every command:
  --root DIR                 keep images, cache and state here ($LLBUILD_ROOT; else /var/lib/llbuild,
                             or ~/.local/share/llbuild for an ordinary user)
  --debug                    log what llbuild does to stderr, and show tracebacks
  --log-format console|json  form of that log
  --version                  print the version

'llbuild COMMAND --help' explains one command. A build: llbuild build -t hello .
"""


def _prepare_streams() -> None:
    """A stream that was closed swallows, and one that cannot show a character shows an escape."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  lives as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
