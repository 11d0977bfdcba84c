"""`llbuild load`: images out of archives and OCI layout folders, into the local store."""

from __future__ import annotations

import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from ...errors import SourceError, UsageError
from ...image import parse_reference
from ...worker.source import OciLayoutSource
from ..image_names import image_name
from ..outputs import STDOUT
from ..parser import CommandParser
from ..state import open_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...image import Descriptor
    from ...worker import ContentStore

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Load everything, and print the names; the digest of what has none."""
    parser = CommandParser(
        "load",
        "Take images into the local store: an archive of 'llbuild save', docker, podman or skopeo, or an OCI layout.",
        usage="llbuild load [flags]",
    )
    parser.add_value("-i", "--input", metavar="FILE|DIR", help="where from (default: stdin)")
    parser.add_value("-t", "--tag", metavar="NAME[:TAG]", many=True, help="name for the one image, instead of its own")
    found, options = parser.begin(argv)
    names = [image_name("--tag", text) for text in found.tag or ()]
    state = open_state(options.root)
    with state.leases.take(), tempfile.NamedTemporaryFile() as spooled:
        path = found.input or STDOUT
        if path == STDOUT:
            if sys.stdin.isatty():
                raise UsageError("an archive is expected on stdin", hint="name its file with -i")
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            spooled.flush()
            path = spooled.name
        images = _load(path, state.content)
        if names and len(images) != 1:
            raise UsageError(f"--tag names one image, and there are {len(images)}")
        for target, own in images:
            for name in names or own:
                state.content.put_image(name, target)
                print(name)
            if not (names or own):
                print(target.digest)
    return 0


def _load(path: str, content: ContentStore) -> list[tuple[Descriptor, list[str]]]:
    """Every image with its names; its blobs are in the store. Raises SourceError."""
    layout = OciLayoutSource(path, content)
    images: dict[Descriptor, list[str]] = {}
    for entry in layout.entries():
        target = layout.fetch_all(entry.descriptor)
        images.setdefault(target, []).extend(_full_name(entry.best_name))
    return list(images.items())


def _full_name(text: str) -> list[str]:
    """A name that a layout gives; a tag alone names nothing, since it belongs to whoever has the folder."""
    if "/" not in text and ":" not in text:
        return []
    try:
        return [str(parse_reference(text))]
    except SourceError:
        return []
