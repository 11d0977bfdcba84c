"""`llbuild solve`: build a definition that something else compiled."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import DefinitionError, DockerfileError, SourceError, UsageError
from ..frontend import Compiled, CompilingFrontend, PlatformResult, Request
from ..llb import Metadata, SourceOp
from ..platforms import host_platform
from ..values import frozen, replace
from ..worker import unsupported
from .build import conduct
from .context import check_folder
from .definition import STDIN, parse_definition, plain_image, read_bytes, read_config
from .engine import build
from .pairs import value_pairs
from .parser import CommandParser
from .request import BuildInput
from .solve_options import SolveOptions, add_solve_flags, read_solve_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..frontend import Lookup
    from ..llb import Definition
    from .job import BuildResult, BuildView
    from .pairs import Pairs
    from .progress import Display

__all__ = ["DefinitionOptions", "parse_solve", "run"]

_NOTHING = Metadata()


@frozen
class DefinitionOptions:
    """What is built, and what becomes of it."""

    solve: SolveOptions
    definition: str = STDIN  # a file, or "-"
    folders: Pairs = ()  # by the name of the local source
    image_config: str = ""  # a file
    no_cache: bool = False


def run(argv: Sequence[str]) -> int:
    """`llbuild solve`."""
    options = parse_solve(argv, os.environ)
    if options.definition == STDIN and sys.stdin.isatty():
        raise UsageError("a definition is expected on stdin", hint="name its file, or pipe 'llbuild compile' into this")

    def work(*, display: Display, view: BuildView) -> BuildResult:
        return build(options.solve, definition_input(options, view), display=display, view=view)

    return conduct(options.solve, work)


def parse_solve(argv: Sequence[str], environ: Mapping[str, str]) -> DefinitionOptions:
    """Read `llbuild solve`'s arguments.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser(
        "solve",
        "Build a definition: llbuild's own form, BuildKit's protobuf, or a bundle of 'llbuild compile'.",
        usage="llbuild solve [flags] [DEFINITION|-]",
    )
    parser.add_word("definition", metavar="DEFINITION", nargs="?", default=STDIN, help="a file (default: stdin)")
    parser.add_value("--local", metavar="NAME=DIR", many=True, help="folder that a local source of that name means")
    parser.add_value("--image-config", metavar="FILE", help="config of the image (JSON; default: a plain one)")
    parser.add_flag("--no-cache", help="run everything again")
    add_solve_flags(parser)
    found = parser.parse(argv)
    if not found.definition:
        raise UsageError("the definition's name is empty; expected a file, or - for stdin")
    return DefinitionOptions(
        solve=read_solve_options(found, environ),
        definition=found.definition,
        folders=value_pairs("--local", found.local, "NAME=DIR"),
        image_config=found.image_config or "",
        no_cache=found.no_cache,
    )


def definition_input(options: DefinitionOptions, view: BuildView) -> BuildInput:
    """The definition as a frontend that has its answer already.

    Raises SourceError for a file or folder that is not there, DefinitionError or DockerfileError for what is wrong or
    cannot be built yet.
    """
    given = parse_definition(read_bytes(options.definition))
    definition = _ignoring_cache(given.definition) if options.no_cache else given.definition
    view.note_read({source.path: source.data for source in definition.sources})
    view.definitions = (definition,)
    folders = _folders(options.folders, definition)
    _check(definition)
    image = given.image or plain_image(definition)
    if options.image_config:
        image = read_config(read_bytes(options.image_config), options.image_config)
    result = PlatformResult(platform=image.platform, definition=definition, image=image)

    def answer(request: Request, lookup: Lookup) -> Compiled:
        del request, lookup
        return Compiled(results=(result,))

    host = host_platform()
    return BuildInput(
        frontend=CompilingFrontend(name="definition", compile=answer),
        request=Request(options={}, platform=image.platform, build_platform=host),
        folders=folders,
        stdin=None,
        mode="default",
    )


def _folders(given: Pairs, definition: Definition) -> dict[str, str]:
    """The folders by name; every local source must have one."""
    folders = {}
    for name, text in given:
        check_folder(text, f"--local {name}={text}")
        folders[name] = text
    for vertex in definition.vertices:
        op = vertex.op
        if isinstance(op, SourceOp) and op.scheme == "local" and op.ref not in folders:
            raise SourceError(
                f"the definition reads a folder called {op.ref!r}",
                ref=op.ref,
                hint=f"give it with --local {op.ref}=DIR",
            )
    return folders


def _check(definition: Definition) -> None:
    """Refuse before the work what would fail in the middle of it, and what would be ignored."""
    said = definition.metadata_of()
    for vertex in definition.vertices:
        meta = said.get(vertex.digest, _NOTHING)
        feature = unsupported(vertex.op)
        if not feature:
            continue
        message = f"{feature} is not supported yet"
        if meta.spans:
            raise DockerfileError(message, at=meta.spans[0])
        raise DefinitionError(f"{meta.name or vertex.digest}: {message}")


def _ignoring_cache(definition: Definition) -> Definition:
    said = definition.metadata_of()
    metadata = (
        (vertex.digest, replace(said.get(vertex.digest, _NOTHING), ignore_cache=True)) for vertex in definition.vertices
    )
    return replace(definition, metadata=tuple(metadata))
