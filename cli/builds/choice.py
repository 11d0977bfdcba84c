"""Which build is meant, and which of its steps: arguments that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..parser import CommandParser, Found

__all__ = ["LAST", "add_build", "add_step", "build_and_step"]

LAST = "last"


def add_build(parser: CommandParser) -> None:
    """The argument BUILD."""
    parser.add_word("build", metavar="BUILD", nargs="?", default=LAST, help="its number (default: last)")


def add_step(parser: CommandParser) -> None:
    """The argument STEP, after `add_build`."""
    parser.add_word("step", metavar="STEP", nargs="?", default="", help="number or part of the name of one step")


def build_and_step(found: Found) -> tuple[str, str]:
    """Both arguments; a lone word that is no number is a step of the last build: `llbuild explain COPY`."""
    build: str = found.build
    step: str = found.step
    if build != LAST and not build.isdecimal() and not step:
        return LAST, build
    return build, step
