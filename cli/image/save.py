"""`llbuild save`: an image of the local store as an archive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...exporter import export_archive, stored_image, stream_archive
from ...image import Index, decode_manifest, parse_reference, select_platform
from ..options import platform_of
from ..outputs import STDOUT
from ..parser import CommandParser
from .catalogue import find_name, open_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...image import Descriptor
    from ...platforms import Platform
    from ...worker import ContentStore

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Write the archive: an OCI layout, which `docker load` takes as well if it holds one platform."""
    parser = CommandParser(
        "save",
        "Write an image of the local store as an archive for 'llbuild load', docker, podman and others.",
        usage="llbuild save [flags] IMAGE...",
    )
    parser.add_word("images", metavar="IMAGE", nargs="+", help="name, or first digits of the digest; more names of it")
    parser.add_value("-o", "--output", metavar="FILE", help="where to (default: stdout)")
    parser.add_value("--platform", metavar="OS/ARCH", many=True, help="the image of one platform, of several")
    found, options = parser.begin(argv)
    platform = platform_of(found.platform or ())
    dest = found.output or STDOUT
    if dest == STDOUT and sys.stdout.isatty():
        raise UsageError("an archive would be written to the terminal", hint="add -o FILE, or redirect stdout")
    store = open_content(options.root)
    chosen = [find_name(store, text) for text in found.images]
    if len({image.descriptor.digest for image in chosen}) > 1:
        raise UsageError("these are several images, and an archive holds one", hint="save each to a file of its own")
    target = chosen[0].descriptor
    if platform is not None:
        target = _of_platform(store, target, platform, chosen[0].name)
    image = stored_image(store, target, name=chosen[0].name)
    names = [parse_reference(name) for name in dict.fromkeys(one.name for one in chosen)]
    docker = len(image.images) == 1
    if dest == STDOUT:
        stream_archive(image, store, names, sys.stdout.fileno(), docker=docker)
    else:
        export_archive(image, store, names, dest, docker=docker)
    return 0


def _of_platform(store: ContentStore, target: Descriptor, platform: Platform, name: str) -> Descriptor:
    document = decode_manifest(store.read(target.digest), ref=name)
    if not isinstance(document, Index):
        return target
    found = select_platform(document, platform)
    if found is None:
        raise UsageError(f"{name} is not made for {platform}")
    return found
