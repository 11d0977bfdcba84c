"""`llbuild push`: images of the local store to their registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exporter import stored_image
from ...image import parse_reference
from ..image_names import image_name
from ..parser import CommandParser
from ..pushing import push_stored
from ..state import open_state
from ..watching import watched
from .catalogue import find_name
from .repositories import repository_of, stored_tags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...solver import Emit

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Push every image under its name, and print the digest of each; of all tags, with their names."""
    parser = CommandParser(
        "push", "Send images of the local store to their registries.", usage="llbuild push [flags] NAME[:TAG]..."
    )
    parser.add_word("names", metavar="NAME[:TAG]", nargs="+", help="image of the store, and its name in the registry")
    parser.add_flag("-a", "--all-tags", help="all tags that the store has of each NAME")
    parser.add_flag("-q", "--quiet", help="print the digests, nothing else")
    found, options = parser.begin(argv)
    if found.all_tags:
        names = [repository_of(text) for text in found.names]
    else:
        names = [parse_reference(image_name("NAME", text)) for text in found.names]
    state = open_state(options.root)
    if found.all_tags:
        wanted = [pair for name in names for pair in stored_tags(state.content, name)]
    else:
        wanted = [(name, find_name(state.content, str(name)).descriptor) for name in names]
    images = [(stored_image(state.content, target, name=str(name)), name) for name, target in wanted]

    async def work(emit: Emit) -> None:
        await push_stored(images, state.content, emit, registries=options.config.registries)

    with state.leases.take():
        watched(work, title="Pushing", quiet=found.quiet)
    for image, name in images:
        print(f"{name}@{image.target.digest}" if found.all_tags else image.target.digest)
    return 0
