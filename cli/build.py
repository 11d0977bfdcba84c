"""`llbuild build`: everything around the engine's call. Displays, digests, result files, the report of a failure."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

from ..errors import LlbuildError, UsageError
from .engine import build
from .job import BuildView
from .options import parse_build
from .parser import start_log
from .progress import open_display
from .request import build_input
from .results import check_writable, metadata_json, write_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .job import BuildResult
    from .progress import Display
    from .solve_options import SolveOptions

__all__ = ["conduct", "run"]


class Build(Protocol):
    """The engine's part: compile, solve, export."""

    def __call__(self, *, display: Display, view: BuildView) -> BuildResult: ...


def run(argv: Sequence[str]) -> int:
    """`llbuild build`."""
    options = parse_build(argv, os.environ)
    if options.call:
        from .call import conduct_call, parse_call

        call = parse_call(options.call)
        if call is not None:
            start_log(options.solve.globals)
            return conduct_call(call, options.compile, options.solve.globals)

    def work(*, display: Display, view: BuildView) -> BuildResult:
        return build(options.solve, build_input(options.compile, view.sources), display=display, view=view)

    return conduct(options.solve, work)


def conduct(options: SolveOptions, build: Build) -> int:
    """Build, and say how it went. Returns the exit code; what is no build's failure (a full disk, Ctrl-C) is raised."""
    _check(options)
    start_log(options.globals)
    view = BuildView()
    display = open_display(_form(options), sys.stderr, os.environ)
    try:
        result = build(display=display, view=view)
    except UsageError:
        raise
    except LlbuildError as exc:
        display.close()
        from .failure import report_failure

        report_failure(exc, view, display.trace, debug=options.globals.debug)
        return 1
    finally:
        display.close()
    _conclude(options, result, view)
    return 0


def _check(options: SolveOptions) -> None:
    """Refuse before the work what would fail after it."""
    if options.writes_to_stdout and sys.stdout.isatty():
        raise UsageError("a tar would be written to the terminal", hint="add dest=FILE, or redirect stdout")
    for path in (options.iidfile, options.metadata_file):
        if path:
            check_writable(path)
    if options.secrets or options.agents:
        from .lent import check_given

        check_given(options, os.environ)


def _form(options: SolveOptions) -> str:
    """Log lines would break the picture that the tty display repaints."""
    logging = options.globals.debug or options.globals.log_form
    return "plain" if logging and options.progress == "auto" else options.progress


def _conclude(options: SolveOptions, result: BuildResult, view: BuildView) -> None:
    if view.all_warnings and not options.quiet:
        from .report import render_warnings

        sys.stderr.write(render_warnings(view.all_warnings, view.sources))
    manifest = result.manifest
    if options.metadata_file:
        write_result(options.metadata_file, metadata_json(result))
    if manifest is None:
        return
    if options.iidfile:
        write_result(options.iidfile, manifest.digest)
    if options.quiet:
        print(manifest.digest)
