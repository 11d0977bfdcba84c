"""Commands that move images, with what they do on the display."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..errors import LlbuildError
from .progress import open_display

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..solver import Emit

    _T = TypeVar("_T")

__all__ = ["watched"]

_REFRESH_S = 0.1


def watched(work: Callable[[Emit], Awaitable[_T]], *, title: str, quiet: bool) -> _T:
    """Await `work` in an event loop of its own; it shows its steps with `phase`. Raises what it raises.

    title: what it does, in a word.
    """
    display = open_display("quiet" if quiet else "auto", sys.stderr, os.environ, title=title)

    async def conduct() -> tuple[_T | None, LlbuildError | None]:
        result: _T | None = None
        failure: LlbuildError | None = None
        async with anyio.create_task_group() as group:

            async def tick() -> None:
                while True:
                    await anyio.sleep(_REFRESH_S)
                    display.refresh()

            group.start_soon(tick)
            try:
                result = await work(display.display)
            except LlbuildError as error:  # kept out of the group, which would wrap it
                failure = error
            group.cancel_scope.cancel()
        return result, failure

    try:
        result, failure = anyio.run(conduct)
    finally:
        display.close()
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]  # there is one unless there is a failure
