"""Work that blocks (disks, hashing, compression, SQLite), off the event loop. The one caller of anyio's threads.

Not imported by the path of a fully cached build, which has no event loop.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CapacityLimiter

__all__ = ["run_blocking"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


async def run_blocking(
    function: Callable[[*_Ts], _T], *args: *_Ts, limiter: CapacityLimiter | None = None, abandon: bool = False
) -> _T:
    """Call `function(*args)` in a worker thread and return its result.

    Waits for it even when cancelled, so that nothing goes on behind a finished build;
    `abandon` gives that up for calls that have no effect (name look-ups).
    `limiter`: what to count against instead of the event loop's own limit of threads.
    """
    return await to_thread.run_sync(partial(function, *args), abandon_on_cancel=abandon, limiter=limiter)
