"""Asking registries what a frontend misses. With an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..errors import LlbuildError
from ..frontend import MoreNeeded
from ..worker.source import ImageSource
from .phases import phase

if TYPE_CHECKING:
    from ..frontend import Compiled
    from ..platforms import Platform
    from ..solver import Emit, Event
    from ..worker import ContentStore
    from .compiling import Compiling

__all__ = ["compile_online", "complete"]


def compile_online(compiling: Compiling, content: ContentStore) -> Compiled:
    """A compilation that no build follows. Raises LlbuildError."""
    return anyio.run(_compile, compiling, content)


async def _compile(compiling: Compiling, content: ContentStore) -> Compiled:
    async with ImageSource(content) as images:
        return await complete(compiling, images, _unseen)


def _unseen(event: Event) -> None:
    """Nobody watches: the graph is printed when it is there."""


async def complete(compiling: Compiling, images: ImageSource, emit: Emit) -> Compiled:
    """Look up what the frontend misses, all of it at once, until it is content."""
    lookup = compiling.lookup
    while True:
        questions = list(lookup.missing)
        if not questions:
            raise AssertionError("the frontend asks for more, but did not say for what") from MoreNeeded()
        async with anyio.create_task_group() as group:
            for ref, platform in questions:
                group.start_soon(_look_up, compiling, images, ref, platform, emit)
        compiled = compiling.attempt()
        if compiled is not None:
            return compiled


async def _look_up(compiling: Compiling, images: ImageSource, ref: str, platform: Platform, emit: Emit) -> None:
    identifier = ref if "://" in ref else f"docker-image://{ref}"
    question = (ref, platform)
    try:
        with phase(f"[internal] load metadata for {ref}", emit):
            compiling.lookup.learn(question, await images.resolve(identifier, platform, compiling.given.mode))
    except LlbuildError as error:
        compiling.lookup.learn(question, error)  # raised at the line that asks for it
