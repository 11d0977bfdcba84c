"""What is compiled, by which frontend and with which settings: the flags of every command that reads a build file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..values import frozen
from .pairs import environment_pairs, value_pairs
from .step_options import add_step_flags, read_step_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .config.values import DefaultsConfig
    from .pairs import Pairs
    from .parser import CommandParser, Found

__all__ = ["STDIN", "CompileOptions", "add_compile_flags", "read_compile_options"]

STDIN = "-"
_EPOCH = "SOURCE_DATE_EPOCH"


@frozen
class CompileOptions:
    """Names without a value in the environment are left out already."""

    context: str = "."  # a folder, a URL, or "-": stdin
    file: str = ""  # the build file, as the shell sees it; "" is the frontend's default in the context, "-" stdin
    target: str = ""
    build_args: Pairs = ()
    labels: Pairs = ()
    build_contexts: Pairs = ()
    platforms: tuple[str, ...] = ()  # as written, not yet checked; none: this machine's
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()  # stages to run again
    pull: bool = False
    frontend: str = ""  # "": as the build file says, else Dockerfile
    step_options: Pairs = ()  # of the frontend, about processes
    frontend_options: Pairs = ()


def add_compile_flags(parser: CommandParser) -> None:
    """The flags, and the context as the one argument."""
    parser.add_word("context", metavar="CONTEXT", nargs="?", default=".", help="folder to build from (default: .)")
    parser.add_value("-f", "--file", metavar="FILE", help="build file (default: CONTEXT/Dockerfile; - is stdin)")
    parser.add_value("--target", metavar="STAGE", help="stage to build (default: the last)")
    parser.add_value("--build-arg", metavar="KEY[=VALUE]", many=True, help="value of an ARG; without =, from $KEY")
    parser.add_value("--label", metavar="KEY=VALUE", many=True, help="label of the image")
    parser.add_value("--build-context", metavar="NAME=SOURCE", many=True, help="what FROM/COPY --from NAME means")
    parser.add_value("--platform", metavar="OS/ARCH", many=True, help="platform of the image (default: this one)")
    parser.add_flag("--no-cache", help="run everything again")
    parser.add_value("--no-cache-filter", metavar="STAGE", many=True, help="run these stages again; A,B or repeated")
    parser.add_flag("--pull", help="ask registries for newer base images")
    add_step_flags(parser)
    parser.add_value("--frontend", metavar="NAME", help="build language (default: what the file's syntax line says)")
    parser.add_value("--opt", metavar="KEY=VALUE", many=True, help="option of the frontend")
    parser.set_defaults(pull=None)  # as the config file says


def read_compile_options(found: Found, environ: Mapping[str, str], defaults: DefaultsConfig) -> CompileOptions:
    """Raises UsageError saying which flag is wrong and what was expected. `defaults`: for flags that are not there."""
    platforms = found.platform or ([defaults.platform] if defaults.platform else ())
    options = CompileOptions(
        context=found.context,
        file=found.file or "",
        target=found.target or "",
        build_args=_with_epoch(environment_pairs("--build-arg", found.build_arg or (), environ), environ),
        labels=value_pairs("--label", found.label, "KEY=VALUE", value_needed=False),
        build_contexts=value_pairs("--build-context", found.build_context, "NAME=SOURCE"),
        platforms=tuple(word for text in platforms for word in text.split(",")),
        no_cache=found.no_cache,
        no_cache_filter=_stages(found.no_cache_filter or ()),
        pull=defaults.pull if found.pull is None else found.pull,
        frontend=found.frontend or defaults.frontend,
        step_options=read_step_options(found),
        frontend_options=value_pairs("--opt", found.opt, "KEY=VALUE"),
    )
    if not options.context:
        raise UsageError("the context is empty; expected a folder", hint="use . for this folder")
    if options.file == STDIN and options.context == STDIN:
        raise UsageError("the build file and the context cannot both come from stdin")
    return options


def _stages(texts: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--no-cache-filter {','.join(texts)!r}: expected STAGE[,STAGE…]")
    return tuple(names)


def _with_epoch(build_args: Pairs, environ: Mapping[str, str]) -> Pairs:
    """SOURCE_DATE_EPOCH is a build argument wherever it is set, as reproducible-builds.org wants it."""
    if not environ.get(_EPOCH) or _EPOCH in dict(build_args):
        return build_args
    return (*build_args, (_EPOCH, environ[_EPOCH]))
