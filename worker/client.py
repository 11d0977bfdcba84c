"""What a worker asks of whoever started the build: things that are the client's own and stay with it.

The same services as those of BuildKit's sessions (secrets, ssh forwarding), so that they may be asked over a wire.
What passes are names, values and streams of bytes; never paths, which mean nothing elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from socket import socket

__all__ = ["Client", "NoClient"]


class Client(Protocol):
    """Any number of steps may ask at once."""

    async def secret(self, name: str) -> bytes | None:
        """The secret of that id as it is now; None when the client gave none. Raises LlbuildError."""
        ...

    async def has_agent(self, name: str) -> bool:
        """Whether an ssh agent of that id was given. Raises LlbuildError when it cannot be used."""
        ...

    async def forward_agent(self, name: str, stream: socket) -> None:
        """Answer what a step asks that agent, until either side is closed. `stream` does not block.

        Raises OSError when a side breaks.
        """
        ...


class NoClient:
    """A client that gives nothing."""

    async def secret(self, name: str) -> bytes | None:
        del name
        return None

    async def has_agent(self, name: str) -> bool:
        del name
        return False

    async def forward_agent(self, name: str, stream: socket) -> None:
        raise AssertionError(f"there is no agent {name!r} to be asked by {stream!r}")
