"""Finding out what a frontend misses: registries are asked, remote contexts fetched. With an event loop."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..blocking import run_blocking
from ..errors import LlbuildError, SourceError
from ..frontend import MoreNeeded, NoSuchFile, NoTime
from ..llb import redacted
from ..solver import RETRY_DELAYS_S, VertexLog, VertexProgress, retrying, solve
from ..values import frozen
from ..worker import LocalWorker
from ..worker.executor import SandboxExecutor
from ..worker.source import ImageSource
from .lookup import FileQuestion, ImageQuestion, TimeQuestion
from .phases import phase
from .resultfiles import read_result_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ..llb import Definition, SourceOp
    from ..platforms import Platform
    from ..solver import CacheStore, Emit, Event, EventReporter
    from ..worker import Client, Prober
    from ..worker.source import RemoteSources
    from ..worker.source import ResolvedImage as FoundImage
    from .compiling import Asking
    from .config.values import Config
    from .lookup import Question
    from .state import State

__all__ = ["Answers", "ask_online", "complete", "open_answers", "unseen"]

Answer = TypeVar("Answer")


@frozen
class Answers:
    """Who can answer a frontend's questions."""

    images: ImageSource
    remote: RemoteSources
    worker: LocalWorker
    cache: CacheStore


def ask_online(asking: Asking[Answer], state: State, config: Config) -> Answer:
    """An answer that no build follows. `config` says how to ask. Raises LlbuildError."""
    return anyio.run(_ask, asking, state, config)


async def _ask(asking: Asking[Answer], state: State, config: Config) -> Answer:
    prober = asking.prober
    assert prober is not None, "without one there are no questions"
    async with open_answers(prober, state, config) as answers:
        return await complete(asking, answers, unseen)


@asynccontextmanager
async def open_answers(
    prober: Prober, state: State, config: Config, client: Client | None = None
) -> AsyncIterator[Answers]:
    """Answers where nothing is built. client: logs in."""
    async with (
        ImageSource(state.content, registries=config.registries) as images,
        state.remote_sources(prober, client) as remote,
    ):
        executor = SandboxExecutor(state.root)  # never started: no process makes a build context
        worker = LocalWorker(prober, images=images, remote=remote, executor=executor, caches=state.caches)
        yield Answers(images=images, remote=remote, worker=worker, cache=state.cache)


def unseen(event: Event) -> None:
    """Nobody watches: the graph is printed when it is there."""


async def complete(asking: Asking[Answer], answers: Answers, emit: Emit) -> Answer:
    """Look up what the frontend misses, all of it at once, until it is content."""
    lookup = asking.lookup
    while True:
        questions = list(lookup.missing)
        if not questions:
            raise AssertionError("the frontend asks for more, but did not say for what") from MoreNeeded()
        async with anyio.create_task_group() as group:
            for question in questions:
                group.start_soon(_look_up, asking, answers, question, emit)
        answer = asking.attempt()
        if answer is not None:
            return answer


async def _look_up(asking: Asking[Answer], answers: Answers, question: Question, emit: Emit) -> None:
    """Learn the answer; what goes wrong is one, too: raised at the line that asks for it."""
    try:
        match question:
            case ImageQuestion(ref=ref, platform=platform):
                identifier = ref if "://" in ref else f"docker-image://{ref}"
                name = f"[internal] load metadata for {ref}"
                ask = partial(_image, answers, identifier, platform, asking.given.mode)
                asking.lookup.learn(question, await _watched(name, ask, emit))
            case FileQuestion(definition=definition, path=path):
                name = f"[internal] read {path} of {_origin(definition)}"
                asking.lookup.learn(question, await _watched(name, partial(_file, answers, question), emit))
            case TimeQuestion(op=op):
                name = f"[internal] load the time of {redacted(op.identifier)}"
                asking.lookup.learn(question, await _watched(name, partial(_time, answers, op), emit))
    except LlbuildError as error:
        asking.lookup.learn(question, error)


_Found = TypeVar("_Found")


async def _watched(
    name: str, ask: Callable[[EventReporter], Awaitable[_Found]], emit: Emit
) -> _Found | NoSuchFile | NoTime:
    """What `ask` finds, or that there is nothing: that is no failure."""
    with phase(name, emit) as reporter:
        try:
            return await retrying(
                partial(ask, reporter), RETRY_DELAYS_S, lambda words: reporter.log(2, f"{words}\n".encode())
            )
        except (NoSuchFile, NoTime) as nothing:
            return nothing


async def _image(answers: Answers, identifier: str, platform: Platform, mode: str, _: EventReporter) -> FoundImage:
    pins = answers.worker.pins
    try:
        found = await answers.images.resolve(pins.image(identifier, platform), platform, mode)
    except SourceError as error:
        pins.explain_image(error, identifier, platform)
        raise
    pins.note_image(identifier, found, platform)
    return found


async def _file(answers: Answers, question: FileQuestion, reporter: EventReporter) -> bytes:
    def emit(event: Event) -> None:
        """What is said of the vertices is said of the reading."""
        if isinstance(event, VertexLog):
            reporter.log(event.stream, event.data)
        elif isinstance(event, VertexProgress):
            reporter.progress(event.id, event.current, event.total)

    refs = await solve([question.definition], answers.worker, answers.cache, emit)
    (ref,) = refs.values()
    tree = await answers.worker.tree(ref, reporter)
    return await run_blocking(read_result_file, tree, question)


async def _time(answers: Answers, op: SourceOp, reporter: EventReporter) -> int:
    found = await answers.remote.time(op, reporter.progress)
    if found is None:
        raise NoTime
    return found


def _origin(definition: Definition) -> str:
    """What the graph begins with, for people."""
    identifiers = (getattr(vertex.op, "identifier", "") for vertex in definition.vertices)
    return redacted(next(filter(None, identifiers), "nothing"))
