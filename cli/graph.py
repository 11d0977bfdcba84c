"""`llbuild graph`: the graph of a build file, of a build made before, or of a definition, drawn."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import DefinitionError, LlbuildError, UsageError
from ..values import frozen, replace
from .compile_options import CompileOptions, add_compile_flags, read_compile_options
from .config.values import DefaultsConfig
from .parser import CommandParser, GlobalOptions, read_globals, start_log, suggestion
from .results import check_writable, write_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..llb import Definition
    from ..solver import BuildRecord
    from .job import BuildView

__all__ = ["GraphOptions", "parse_graph", "run"]

FORMATS = ("svg", "dot", "mermaid", "json")
_ENDINGS = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid", ".json": "json"}


@frozen
class GraphOptions:
    """What is drawn, and how. At most one of `build`, `definition` and a `compile` other than the default is given."""

    globals: GlobalOptions
    compile: CompileOptions = CompileOptions()
    build: str = ""  # its number, or "last"
    definition: str = ""  # a file, "-" is stdin
    form: str = "svg"  # one of FORMATS
    output: str = ""  # a file; "" is stdout
    whole: bool = False  # also links that only repeat


def parse_graph(argv: Sequence[str], environ: Mapping[str, str]) -> GraphOptions:
    """Read `llbuild graph`'s arguments.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser(
        "graph",
        "Draw the graph that a build file compiles to; or, with how it went, that of a build made before.",
        usage="llbuild graph [flags] [CONTEXT]",
    )
    parser.add_value("--build", metavar="ID|last", help="draw a build of 'llbuild builds', with what it did")
    parser.add_value("--definition", metavar="FILE", help="draw a definition (- is stdin)")
    parser.add_value("--format", metavar="|".join(FORMATS), help="default: as -o FILE is called, else svg")
    parser.add_value("-o", "--output", metavar="FILE", help="write it to FILE instead of stdout")
    parser.add_flag("--full", help="draw every link, also those that longer ways imply")
    add_compile_flags(parser)
    found = parser.parse(argv)
    options_of_all = read_globals(found, environ)
    drawn_as_it_is = found.build or found.definition
    defaults = DefaultsConfig() if drawn_as_it_is else options_of_all.config.defaults
    options = GraphOptions(
        globals=options_of_all,
        compile=read_compile_options(found, environ, defaults),
        build=_named("--build", found.build, "a number, or 'last'"),
        definition=_named("--definition", found.definition, "a file, or - for stdin"),
        form=_form(found.format, found.output or ""),
        output=found.output or "",
        whole=found.full,
    )
    given = [bool(options.build), bool(options.definition), options.compile != CompileOptions()]
    if sum(given) > 1:
        raise UsageError("a build, a definition and a build file cannot be drawn at once", hint="name one of them")
    return options


def _named(flag: str, text: str | None, expected: str) -> str:
    if text == "":
        raise UsageError(f"{flag} is empty; expected {expected}")
    return text or ""


def _form(asked: str | None, output: str) -> str:
    form = asked or _ENDINGS.get(os.path.splitext(output)[1].lower(), "svg")
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"--format {form!r}{suggestion(form, FORMATS)}; expected one of {known}")
    return form


def run(argv: Sequence[str]) -> int:
    """Draw it."""
    from .job import BuildView

    options = parse_graph(argv, os.environ)
    if options.output:
        check_writable(options.output)
    start_log(options.globals)
    view = BuildView()
    try:
        definitions, record = _graph(options, view)
    except UsageError:
        raise
    except LlbuildError as error:
        from .failure import report_failure

        report_failure(error, view, debug=options.globals.debug)
        return 1
    from .drawing import RENDERERS, make_picture

    drawn = RENDERERS[options.form](make_picture(definitions, record, whole=options.whole)).encode(errors="replace")
    if options.output:
        write_result(options.output, drawn)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(drawn)
    return 0


def _graph(options: GraphOptions, view: BuildView) -> tuple[tuple[Definition, ...], BuildRecord | None]:
    """What is to be drawn, and the build whose outcomes colour it."""
    if options.build:
        from .state import open_history

        record = open_history(options.globals.root).load(options.build)
        if not record.definitions:
            number = record.summary.id
            raise DefinitionError(
                f"build {number} has no graph: it ended before there was one",
                hint=f"it said: {record.summary.error}" if record.summary.error else "",
            )
        return record.definitions, record
    if options.definition:
        from .definition import parse_definition, read_bytes

        return (parse_definition(read_bytes(options.definition)).definition,), None
    return _compiled(options, view), None


def _compiled(options: GraphOptions, view: BuildView) -> tuple[Definition, ...]:
    from .compiling import compile_input
    from .request import build_input
    from .state import open_state

    given = build_input(options.compile, view.sources)
    request = replace(given.request, for_build=False)
    state = open_state(options.globals.root)
    compiled = compile_input(replace(given, request=request), state, view, options.globals.config)
    return tuple(result.definition for result in compiled.results)
