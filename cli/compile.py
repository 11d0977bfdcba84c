"""`llbuild compile`: the definition that a build file compiles to, printed; nothing is built."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import LlbuildError, UsageError
from ..values import frozen
from .compile_options import CompileOptions, add_compile_flags, read_compile_options
from .compiling import compile_input, whole_input
from .config.values import DefaultsConfig
from .job import BuildView
from .parser import CommandParser, GlobalOptions, read_globals, start_log, suggestion
from .results import check_writable, write_result
from .stub_images import STUB_SESSION, read_stub_images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..frontend import Compiled
    from .stub_images import StubImages

__all__ = ["PrintOptions", "parse_compile", "run"]

FORMATS = ("json", "msgpack", "buildkit", "bundle")
_BINARY = frozenset({"msgpack", "buildkit"})


@frozen
class PrintOptions:
    """What is compiled, and how it is printed."""

    globals: GlobalOptions
    compile: CompileOptions
    form: str = "json"  # one of FORMATS
    output: str = ""  # a file; "" is stdout
    stub_images: str = ""  # a file; "" asks store and registries
    session_id: str = ""


def parse_compile(argv: Sequence[str], environ: Mapping[str, str]) -> PrintOptions:
    """Read `llbuild compile`'s arguments.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser(
        "compile",
        "Print the definition that a build file compiles to. Nothing is built; registries are asked about base images.",
        usage="llbuild compile [flags] [CONTEXT]",
    )
    add_compile_flags(parser)
    parser.add_value("--format", metavar="|".join(FORMATS), help="form of the definition (default: json, for people)")
    parser.add_value("-o", "--output", metavar="FILE", help="write it to FILE instead of stdout")
    parser.add_value("--stub-images", metavar="FILE", help="ask nobody about base images: FILE has the answers")
    parser.add_value("--session-id", metavar="NAME", help="the client session that local sources name")
    found = parser.parse(argv)
    form = found.format or "json"
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"--format {form!r}{suggestion(form, FORMATS)}; expected one of {known}")
    default_session = STUB_SESSION if found.stub_images else ""
    options_of_all = read_globals(found, environ)
    # With stub images it is compiled as for their machine, whatever this one's habits are.
    defaults = DefaultsConfig() if found.stub_images else options_of_all.config.defaults
    return PrintOptions(
        globals=options_of_all,
        compile=read_compile_options(found, environ, defaults),
        form=form,
        output=found.output or "",
        stub_images=found.stub_images or "",
        session_id=default_session if found.session_id is None else found.session_id,
    )


def run(argv: Sequence[str]) -> int:
    """Compile and print. A build file that is rejected is a bundle too, and no failure of the command."""
    options = parse_compile(argv, os.environ)
    if options.form in _BINARY and not options.output and sys.stdout.isatty():
        raise UsageError("a binary definition would be written to the terminal", hint="add -o FILE, or redirect stdout")
    if options.output:
        check_writable(options.output)
    start_log(options.globals)
    view = BuildView()
    stub = read_stub_images(options.stub_images) if options.stub_images else None
    try:
        compiled = _compile(options, stub, view)
        printed = _render(options, compiled)
    except LlbuildError as error:
        if options.form == "bundle":
            from .bundle import rejection_bundle

            _write(options, rejection_bundle(error).encode())
            return 0
        if isinstance(error, UsageError):
            raise
        from .failure import report_failure

        report_failure(error, view, debug=options.globals.debug)
        return 1
    _write(options, printed)
    if options.form in _BINARY and compiled.warnings:
        from .report import render_warnings

        sys.stderr.write(render_warnings(compiled.warnings, view.sources))
    return 0


def _compile(options: PrintOptions, stub: StubImages | None, view: BuildView) -> Compiled:
    given = whole_input(options.compile, stub, view, session_id=options.session_id)
    if stub is not None:
        return compile_input(given, stub, view)
    from .state import open_state

    return compile_input(given, open_state(options.globals.root), view, options.globals.config)


def _render(options: PrintOptions, compiled: Compiled) -> bytes:
    match options.form:
        case "json":
            from .readable import readable

            return readable(compiled).encode(errors="backslashreplace")  # in JSON that is an escape
        case "bundle":
            from .bundle import bundle

            return bundle(compiled).encode()
    if len(compiled.results) > 1:
        names = ", ".join(str(result.platform) for result in compiled.results)
        raise UsageError(
            f"--format {options.form} holds one definition; these are {len(compiled.results)}: {names}",
            hint="ask for one --platform at a time",
        )
    (result,) = compiled.results
    if options.form == "msgpack":
        from ..llb import encode_definition

        return encode_definition(result.definition)
    from ..proto import encode_buildkit

    return encode_buildkit(result.definition)


def _write(options: PrintOptions, printed: bytes) -> None:
    if options.output:
        write_result(options.output, printed)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(printed)
