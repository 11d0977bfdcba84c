"""`llbuild version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """Print the version."""
    from .parser import CommandParser

    CommandParser("version", "Print the version.").parse(argv)
    print(f"llbuild {__version__}")
    return 0
