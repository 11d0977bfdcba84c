"""Trying again what may go well the next time: a registry that was busy, a connection that broke."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

from ..errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["RETRY_DELAYS_S", "retrying"]

RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0)  # BuildKit's, for pulls and pushes

_MOST_PATIENCE_S = 60.0  # a server that wants us to wait for longer is not waited for

_T = TypeVar("_T")


async def retrying(
    call: Callable[[], Awaitable[_T]], delays_s: Sequence[float], say: Callable[[str], None] | None = None
) -> _T:
    """The result of `call()`, tried again after each of the delays while it fails for a passing reason.

    A server that says when to come again is asked no earlier; one that says "in more than a minute" not at all.
    `say` is told, in words, what failed and when it is tried again. Raises what the last try raised; an error
    that is not `transient` at once.
    """
    for delay_s in delays_s:
        try:
            return await call()
        except SourceError as failure:
            wait_s = max(delay_s, failure.retry_after_s or 0.0)
            if not failure.transient or wait_s > max(_MOST_PATIENCE_S, delay_s):
                raise
            if say is not None:
                say(f"{failure.message}; trying again in {wait_s:g} s")
        await anyio.sleep(wait_s)
    return await call()
