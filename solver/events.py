"""What happens during a build, as typed events: the one stream that progress displays, logs and history read.

Order guaranteed per vertex: `VertexQueued`, then either `VertexCached` alone, or `VertexStarted`, perhaps
a `VertexMissed`, any number of `VertexLog` and `VertexProgress`, a `VertexUsage` where a process ran, and one
`VertexCompleted`. Steps of the build
that are no vertex of the graph (resolving an image, exporting) use the same events with a digest of their name.
Times are seconds since 1970 (float).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ..digest import Digest

__all__ = [
    "Emit",
    "Event",
    "VertexCached",
    "VertexCompleted",
    "VertexLog",
    "VertexMissed",
    "VertexProgress",
    "VertexQueued",
    "VertexStarted",
    "VertexUsage",
]


@frozen(kw_only=False)
class VertexQueued:
    """The build needs this vertex."""

    vertex: Digest
    name: str
    inputs: tuple[Digest, ...] = ()


@frozen(kw_only=False)
class VertexStarted:
    vertex: Digest
    at: float


@frozen(kw_only=False)
class VertexMissed:
    """Why no stored result serves, in a line; told only where a display asks for it and there is something to tell."""

    vertex: Digest
    reason: str
    at: float


@frozen(kw_only=False)
class VertexCached:
    """A stored result serves; nothing ran. `needed` False: not even its own, since one further up spares it."""

    vertex: Digest
    at: float
    needed: bool = True


@frozen(kw_only=False)
class VertexProgress:
    """One of the vertex's transfers or phases: `current` of `total` (0: unknown) in `unit` ("bytes" or "")."""

    vertex: Digest
    id: str
    current: int
    total: int
    at: float
    unit: str = "bytes"
    done: bool = False


@frozen(kw_only=False)
class VertexLog:
    """Output of the vertex's process as it came, any chunking; stream 1 is stdout, 2 stderr."""

    vertex: Digest
    stream: int
    data: bytes
    at: float


@frozen(kw_only=False)
class VertexUsage:
    """What the vertex's process took, with all that it started and waited for; memory: of the largest of them.

    Bytes are those that went to and from disks, or are on the way: not what was in memory already.
    """

    vertex: Digest
    user_s: float
    system_s: float
    max_rss_bytes: int
    read_bytes: int
    written_bytes: int
    at: float


@frozen(kw_only=False)
class VertexCompleted:
    """The vertex ended: `error` is "" on success, "canceled" when another's failure or Ctrl-C stopped it."""

    vertex: Digest
    at: float
    error: str = ""


Event: TypeAlias = (
    "VertexQueued | VertexStarted | VertexMissed | VertexCached | VertexProgress | VertexLog | VertexUsage"
    " | VertexCompleted"
)
Emit: TypeAlias = "Callable[[Event], None]"
