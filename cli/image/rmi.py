"""`llbuild rmi`: names of images are taken out of the local store. What only they needed falls to `llbuild prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..parser import CommandParser
from .catalogue import find_name, open_content

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Remove the names, all or none, and print each."""
    parser = CommandParser(
        "rmi",
        "Remove names of images from the local store. What only they need goes with the next 'llbuild prune'.",
        usage="llbuild rmi [flags] IMAGE...",
    )
    parser.add_word("images", metavar="IMAGE", nargs="+", help="name, or first digits of the digest")
    found, options = parser.begin(argv)
    store = open_content(options.root)
    for name in dict.fromkeys([find_name(store, text).name for text in found.images]):
        store.remove_image(name)
        print(f"removed: {name}")
    return 0
