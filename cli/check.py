"""`llbuild check`: what is wrong in a build file, and what its author may want to change. Nothing is built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import UsageError
from .call import FORMS, Call, conduct_call
from .compile_options import add_compile_flags, read_compile_options
from .config.values import DefaultsConfig
from .parser import CommandParser, read_globals, start_log, suggestion
from .stub_images import read_stub_images

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Exit code 1: the file is wrong, or it has findings and these are to count (--strict, `check=error=true`)."""
    parser = CommandParser(
        "check",
        "Say what is wrong in a Dockerfile, and what its author may want to change. Nothing is built; registries are"
        " asked about base images. All stages are looked at, or what --target needs.",
        usage="llbuild check [flags] [CONTEXT]",
    )
    add_compile_flags(parser)
    parser.add_value("--format", metavar="|".join(FORMS), help="for people (default), as JSON, or as annotations")
    parser.add_flag("--strict", help="exit with 1 when there are findings")
    parser.add_value("--stub-images", metavar="FILE", help="ask nobody about base images: FILE has the answers")
    found = parser.parse(argv)
    form = found.format or "plain"
    if form not in FORMS:
        raise UsageError(f"--format {form!r}{suggestion(form, FORMS)}; expected one of {', '.join(FORMS)}")
    globals_ = read_globals(found, os.environ)
    defaults = DefaultsConfig() if found.stub_images else globals_.config.defaults
    options = read_compile_options(found, os.environ, defaults)
    start_log(globals_)
    stub = read_stub_images(found.stub_images) if found.stub_images else None
    return conduct_call(Call(method="check", form=form, strict=found.strict), options, globals_, stub)
