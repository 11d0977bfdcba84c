"""`llbuild run`: a command in an image of the local store; what it changes is dropped afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..llb import NetMode
from ..values import frozen
from .pairs import Pairs, environment_pairs
from .parser import REST, CommandParser, GlobalOptions, read_globals, start_log
from .security import (
    Confinement,
    add_isolation_flags,
    add_security_flag,
    add_snapshotter_flag,
    configured,
    read_confinement,
    read_snapshotter,
)
from .step_options import parse_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["RunOptions", "parse_run", "run"]


@frozen
class RunOptions:
    """What to run. What is None or empty is as the image says."""

    globals: GlobalOptions
    image: str
    command: tuple[str, ...] = ()
    env: Pairs = ()
    workdir: str = ""
    user: str = ""
    entrypoint: str | None = None  # "": none at all
    interactive: bool = False  # stdin stays open
    terminal: bool = False
    confinement: Confinement = Confinement()
    network: NetMode = NetMode.SANDBOX
    snapshotter: str = ""  # "": the first that works


def run(argv: Sequence[str]) -> int:
    """Run it; returns the command's own exit code."""
    from .container import run_container

    options = parse_run(argv, os.environ)
    start_log(options.globals)
    return run_container(options)


def parse_run(argv: Sequence[str], environ: Mapping[str, str]) -> RunOptions:
    """Read `llbuild run`'s arguments: everything after IMAGE is the command's.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser(
        "run", "Run a command in an image of the local store.", usage="llbuild run [flags] IMAGE [COMMAND [ARG...]]"
    )
    parser.add_word("image", metavar="IMAGE", help="name of the image")
    parser.add_word("command", metavar="COMMAND", nargs=REST, help="what to run (default: the image's command)")
    parser.add_value("-e", "--env", metavar="KEY[=VALUE]", many=True, help="environment variable; without =, from $KEY")
    parser.add_value("-w", "--workdir", metavar="DIR", help="working directory")
    parser.add_value("-u", "--user", metavar="USER[:GROUP]", help="user to run as")
    parser.add_value("--entrypoint", metavar="PROGRAM", help="instead of the image's entrypoint; '' for none")
    parser.add_flag("-i", "--interactive", help="keep stdin open")
    parser.add_flag("-t", "--tty", help="give the command a terminal")
    add_security_flag(parser)
    add_isolation_flags(parser)
    parser.add_value("--network", metavar="MODE", help="default, none or host")
    add_snapshotter_flag(parser)
    parser.add_flag("--rm", help="accepted for docker's sake: nothing is ever kept")
    found = parser.parse(argv)
    options = read_globals(found, environ)
    return RunOptions(
        globals=options,
        image=found.image,
        command=tuple(found.command),
        env=environment_pairs("--env", found.env or (), environ),
        workdir=found.workdir or "",
        user=found.user or "",
        entrypoint=found.entrypoint,
        interactive=found.interactive,
        terminal=found.tty,
        confinement=read_confinement(found, configured(options.config.build)),
        network=parse_network(found.network or ""),
        snapshotter=read_snapshotter(found.snapshotter, options.config.build.snapshotter),
    )
