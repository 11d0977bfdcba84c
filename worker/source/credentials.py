"""What the client lends to a build's sources: secrets by name, and the socket of an ssh agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Credentials"]


def _nothing(name: str) -> None:
    del name


@frozen
class Credentials:
    """Asked when a source needs them, never kept; None is "there is none of that name"."""

    secret: Callable[[str], bytes | None] = _nothing
    agent: Callable[[str], str | None] = _nothing  # by ssh id ("default") the path of a socket
