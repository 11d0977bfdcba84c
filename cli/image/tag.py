"""`llbuild tag`: another name for an image of the local store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..image_names import image_name
from ..parser import CommandParser
from .catalogue import find_name, open_content

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Give it every name, in place of what had the name before."""
    parser = CommandParser(
        "tag", "Give an image of the local store other names.", usage="llbuild tag [flags] IMAGE NAME[:TAG]..."
    )
    parser.add_word("image", metavar="IMAGE", help="name, or first digits of the digest")
    parser.add_word("names", metavar="NAME[:TAG]", nargs="+", help="what to call it as well")
    found, options = parser.begin(argv)
    names = [image_name("NAME", text) for text in found.names]
    store = open_content(options.root)
    image = find_name(store, found.image)
    for name in names:
        store.put_image(name, image.descriptor)
    return 0
