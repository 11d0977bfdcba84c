"""`llbuild import`: a root filesystem, as a folder or a tar, becomes an image of the local store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...platforms import Platform, host_platform
from ...values import frozen
from ..image_names import image_name
from ..options import platform_of
from ..parser import CommandParser, GlobalOptions, read_globals, start_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ImportOptions", "parse_import", "run"]


@frozen
class ImportOptions:
    globals: GlobalOptions
    source: str  # folder, tar file (compressed or not), or "-": a tar on stdin
    name: str  # full name
    platform: Platform


def run(argv: Sequence[str]) -> int:
    """Import, and print the digest of the new image."""
    from ...exporter import import_rootfs
    from ...image import parse_reference
    from ..state import open_state

    options = parse_import(argv, os.environ)
    start_log(options.globals)
    state = open_state(options.globals.root)
    name = parse_reference(options.name)
    with state.leases.take():
        print(import_rootfs(options.source, name, options.platform, state.content).digest)
    return 0


def parse_import(argv: Sequence[str], environ: Mapping[str, str]) -> ImportOptions:
    """Read `llbuild import`'s arguments.

    Raises UsageError; SystemExit after --help.
    """
    parser = CommandParser(
        "import",
        "Make an image from a root filesystem: a folder, or a tar (compressed or not; - is stdin).",
        usage="llbuild import [flags] TAR|DIR NAME[:TAG]",
    )
    parser.add_word("source", metavar="TAR|DIR", help="root filesystem")
    parser.add_word("name", metavar="NAME[:TAG]", help="name of the image")
    parser.add_value("--platform", metavar="OS/ARCH", many=True, help="what it runs on (default: this machine)")
    found = parser.parse(argv)
    return ImportOptions(
        globals=read_globals(found, environ),
        source=found.source,
        name=image_name("NAME", found.name),
        platform=platform_of(found.platform or ()) or host_platform(),
    )
