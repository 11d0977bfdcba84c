"""Asking registries what a frontend misses. With an event loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..errors import LlbuildError
from ..frontend import MoreNeeded
from ..solver import RETRY_DELAYS_S, retrying
from ..worker.source import ImageSource
from .phases import phase

if TYPE_CHECKING:
    from ..platforms import Platform
    from ..solver import Emit, Event
    from ..worker import ContentStore
    from .compiling import Asking
    from .config.values import Config

__all__ = ["ask_online", "complete"]

Answer = TypeVar("Answer")


def ask_online(asking: Asking[Answer], content: ContentStore, config: Config) -> Answer:
    """An answer that no build follows. `config` says how to ask. Raises LlbuildError."""
    config.check_registries()
    return anyio.run(_ask, asking, content, config)


async def _ask(asking: Asking[Answer], content: ContentStore, config: Config) -> Answer:
    async with ImageSource(content, plain_http=config.plain_http) as images:
        return await complete(asking, images, _unseen)


def _unseen(event: Event) -> None:
    """Nobody watches: the graph is printed when it is there."""


async def complete(asking: Asking[Answer], images: ImageSource, emit: Emit) -> Answer:
    """Look up what the frontend misses, all of it at once, until it is content."""
    lookup = asking.lookup
    while True:
        questions = list(lookup.missing)
        if not questions:
            raise AssertionError("the frontend asks for more, but did not say for what") from MoreNeeded()
        async with anyio.create_task_group() as group:
            for ref, platform in questions:
                group.start_soon(_look_up, asking, images, ref, platform, emit)
        answer = asking.attempt()
        if answer is not None:
            return answer


async def _look_up(asking: Asking[Answer], images: ImageSource, ref: str, platform: Platform, emit: Emit) -> None:
    identifier = ref if "://" in ref else f"docker-image://{ref}"
    question = (ref, platform)
    try:
        with phase(f"[internal] load metadata for {ref}", emit) as reporter:
            found = await retrying(
                partial(images.resolve, identifier, platform, asking.given.mode),
                RETRY_DELAYS_S,
                lambda words: reporter.log(2, f"{words}\n".encode()),
            )
            asking.lookup.learn(question, found)
    except LlbuildError as error:
        asking.lookup.learn(question, error)  # raised at the line that asks for it
