"""`llbuild build`'s arguments as one value. Pure: text and environment in, `BuildOptions` out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..platforms import Platform, parse_platform
from ..solver import NETWORK_HOST
from ..values import frozen, replace
from .compile_options import CompileOptions, add_compile_flags, read_compile_options
from .parser import CommandParser
from .solve_options import SolveOptions, add_solve_flags, read_solve_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .parser import Found

__all__ = ["BuildOptions", "add_build_flags", "parse_build", "platform_of", "platforms_of", "read_build"]


@frozen
class BuildOptions:
    """What one build was asked to do: what is compiled, and what becomes of it."""

    compile: CompileOptions
    solve: SolveOptions
    call: str = ""  # what is asked about the build file, instead of building it: `call.parse_call`


def parse_build(argv: Sequence[str], environ: Mapping[str, str]) -> BuildOptions:
    """Read `llbuild build`'s arguments.

    Raises UsageError saying which one is wrong and what was expected; SystemExit after --help.
    """
    return read_build(build_parser().parse(argv), environ)


def read_build(found: Found, environ: Mapping[str, str]) -> BuildOptions:
    """What the flags of `add_build_flags` say. Raises UsageError."""
    if found.check and found.call not in {None, "check"}:
        raise UsageError(f"--check and --call {found.call} contradict each other")
    solve = read_solve_options(found, environ)
    options = BuildOptions(
        compile=read_compile_options(found, environ, solve.globals.config.defaults),
        solve=_allowing_network(solve, found.network),
        call="check" if found.check else found.call or "",
    )
    platforms_of(options.compile.platforms)
    return options


def _allowing_network(options: SolveOptions, network: str | None) -> SolveOptions:
    """`--network host` for a whole build says all that `--allow` would; the same as with docker."""
    if network != "host" or NETWORK_HOST in options.allowed:
        return options
    return replace(options, allowed=(*options.allowed, NETWORK_HOST))


# of `docker build` and `docker buildx build`
_NOT_YET = frozenset(
    f"--{name}"
    for name in (
        *("build-arg-file", "builder"),
        *("compress", "cpu-period", "cpu-quota", "cpu-shares", "cpuset-cpus"),
        *("cpuset-mems", "device", "force-rm", "memory", "memory-swap", "policy", "rm"),
    )
)


def build_parser() -> CommandParser:
    """The flags of `llbuild build`."""
    parser = CommandParser("build", "Build an image from a Dockerfile.", usage="llbuild build [flags] [CONTEXT]")
    add_build_flags(parser)
    return parser


def add_build_flags(parser: CommandParser) -> None:
    """All that say what is built, and how."""
    parser.not_yet = _NOT_YET
    add_compile_flags(parser)
    add_solve_flags(parser)
    parser.add_value("--call", metavar="METHOD", help="ask, don't build: check, outline, targets, convert-llb")
    parser.add_flag("--check", help="the same as --call check: say what is wrong, or could be better")


def platforms_of(texts: Sequence[str]) -> tuple[Platform, ...]:
    """All `--platform` values, separated at commas; each once. Raises UsageError."""
    try:
        return tuple(dict.fromkeys(parse_platform(word) for text in texts for word in text.split(",")))
    except ValueError as exc:
        raise UsageError(f"--platform: {exc}") from exc


def platform_of(texts: Sequence[str]) -> Platform | None:
    """The one platform asked for; None when there is none. Raises UsageError."""
    words = ",".join(texts)
    if "," in words:
        raise UsageError(
            f"--platform {words}: files are for one platform; expected one", hint="import them one after the other"
        )
    return next(iter(platforms_of(texts)), None)
