"""`llbuild verify-reproducible`: build twice from nothing, and show what came out differently."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...values import replace
from ..listing import add_format, wants_json
from ..options import add_build_flags, read_build
from ..outputs import Output, OutputKind
from ..parser import CommandParser, start_log
from .images import compare_images
from .report import render_comparison
from .twice import build_twice, working_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..options import BuildOptions

__all__ = ["run"]

_EPOCH = "SOURCE_DATE_EPOCH"


def run(argv: Sequence[str]) -> int:
    """Exit code 0: both images have the same digest. 1: they have not, or a build failed."""
    parser = CommandParser(
        "verify-reproducible",
        "Build an image twice from nothing, in two empty state folders, and compare: exit code 0 when both have the"
        " same digest, else 1 and the first difference. Nothing is kept of either. SOURCE_DATE_EPOCH is that of the"
        " build, or the time of now for both; rewrite-timestamp is on.",
        usage="llbuild verify-reproducible [flags of build] [CONTEXT]",
    )
    add_build_flags(parser)
    where = "make the second build in DIR, e.g. on another file system, which lists folders in another order"
    parser.add_value("--elsewhere", metavar="DIR", help=where)
    add_format(parser)
    found = parser.parse(argv)
    options = read_build(found, os.environ)
    as_json = wants_json(found)
    output = _output(options)
    elsewhere = os.path.abspath(found.elsewhere) if found.elsewhere else ""
    if elsewhere and not os.path.isdir(elsewhere):
        raise UsageError(f"--elsewhere {found.elsewhere}: there is no such folder")
    options, epoch = _with_epoch(options)
    start_log(options.solve.globals)
    with working_folder(options.solve.globals.root) as folder:
        _take_lock(options, folder)
        if code := build_twice(options, output, folder, elsewhere):
            return code
        comparison = compare_images(folder / "first", folder / "second")
    sys.stdout.write(render_comparison(comparison, epoch, as_json=as_json))
    return 0 if comparison.equal else 1


def _output(options: BuildOptions) -> Output:
    """How both images are written. Raises UsageError for what makes no sense with two of them."""
    solve = options.solve
    if options.compile.context == "-" or options.compile.file == "-":
        raise UsageError("stdin cannot be read twice", hint="save it to a file")
    asked = (("--call", options.call), ("--cache-to", solve.cache_to), ("--cache-from", solve.cache_from))
    if solve.attestations.provenance is not None:
        raise UsageError("provenance tells when and where a build was, and is never the same twice")
    files = (("--iidfile", solve.iidfile), ("--metadata-file", solve.metadata_file))
    for flag, value in (*asked, *files):
        if value:
            raise UsageError(f"{flag} makes no sense here: both images are built from nothing, and thrown away")
    if len(solve.outputs) > 1:
        raise UsageError("one output is compared; expected at most one -o")
    output = next(iter(solve.outputs), Output(kind=OutputKind.OCI_FOLDER))
    if not output.is_image or output.push or output.kind is OutputKind.ENGINE:
        raise UsageError(
            "images are compared, and go nowhere",
            hint="-o says how they are written: type=oci,compression=…,annotation.…",
        )
    image = replace(output.image, rewrite_timestamp=True, attested=bool(solve.attestations))
    return replace(output, image=image, name="", store=True)


def _with_epoch(options: BuildOptions) -> tuple[BuildOptions, str]:
    args = dict(options.compile.build_args)
    if args.get(_EPOCH):
        return options, args[_EPOCH]
    now = str(int(time.time()))
    return replace(
        options, compile=replace(options.compile, build_args=(*options.compile.build_args, (_EPOCH, now)))
    ), now


def _take_lock(options: BuildOptions, folder: Path) -> None:
    """Begin with the lock file that the build was to have."""
    solve = options.solve
    if not (solve.lock or solve.locked):
        return
    from ..lock import lock_path, open_lock

    lock = open_lock(lock_path(solve.lock, options.compile.context), only=solve.locked, writes=False)
    replace(lock, path=str(folder / "lock"), held={}, only=False).save(lock.held)
