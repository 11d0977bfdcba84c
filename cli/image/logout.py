"""`llbuild logout`: credentials for a registry, forgotten."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..parser import CommandParser
from .login import add_registry, registry_host

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Log out, and say what is still known."""
    parser = CommandParser("logout", "Forget the login at a registry.", usage="llbuild logout [flags] [REGISTRY]")
    add_registry(parser)
    found, _ = parser.begin(argv)
    registry = registry_host(found.registry)
    from ...image import Reference, erase_credentials, find_credentials

    places = erase_credentials(registry, os.environ)
    for place in places:
        print(f"removed the login at {registry} from {place}")
    if not places:
        print(f"not logged in to {registry}")
    left = find_credentials(Reference(domain=registry, path=""), os.environ)
    if left is not None:
        print(f"warning: {left.origin} still has a login at {registry}", file=sys.stderr)
    return 0
