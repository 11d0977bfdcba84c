"""Work that blocks (disks, hashing, compression, SQLite) and waiting for other processes, off the event loop's back.

The one caller of anyio's threads.

Not imported by the path of a fully cached build, which has no event loop.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from anyio import sleep, to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CapacityLimiter

__all__ = ["run_blocking", "wait_longer"]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.005, 0.2

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


async def wait_longer(last_s: float = 0.0) -> float:
    """Wait before the next try of something that another process has; how long that was.

    Asked again and again, and not waited for in the kernel: a thread that waits there cannot be cancelled.
    last_s: how long it was the last time, 0 for the first; each wait is half as long again, up to a fifth of a second.
    """
    wait_s = min(last_s * 1.5, _LONGEST_WAIT_S) or _FIRST_WAIT_S
    await sleep(wait_s)
    return wait_s
