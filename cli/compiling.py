"""A frontend at work: called, given what it misses, and called again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ..frontend import MoreNeeded
from ..values import replace
from .config.values import Config
from .lookup import KnownLookup, stored_images
from .request import build_input
from .stub_images import StubImages

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..frontend import Compiled, Lookup, Request
    from ..worker import ContentStore
    from .compile_options import CompileOptions
    from .job import BuildView
    from .request import BuildInput

__all__ = ["Asking", "Compiling", "ask_frontend", "compile_input", "whole_input"]

Answer = TypeVar("Answer")


class Asking(Generic[Answer]):
    """One question to a frontend about one request. What becomes known on the way is left in `view`."""

    def __init__(
        self, ask: Callable[[Request, Lookup], Answer], given: BuildInput, lookup: KnownLookup, view: BuildView
    ) -> None:
        self.ask = ask
        self.given = given
        self.lookup = lookup
        self.view = view

    def attempt(self) -> Answer | None:
        """Ask with what is known; None when more must be looked up first: `lookup.missing`."""
        try:
            return self.ask(self.given.request, self.lookup)
        except MoreNeeded:
            return None
        finally:
            self.view.note_read(self.lookup.read)


class Compiling(Asking["Compiled"]):
    """The question that all frontends answer."""

    def __init__(self, given: BuildInput, lookup: KnownLookup, view: BuildView) -> None:
        super().__init__(given.frontend.compile, given, lookup, view)

    def attempt(self) -> Compiled | None:
        compiled = super().attempt()
        if compiled is not None:
            self.view.definitions = tuple(result.definition for result in compiled.results)
            self.view.warnings = compiled.warnings
        return compiled


def whole_input(
    options: CompileOptions, stub: StubImages | None, view: BuildView, *, session_id: str = ""
) -> BuildInput:
    """The request for those who want to know and not to build: nothing is refused for not being built yet.

    With stub images, as their machine would get it; a syntax line cannot lead anywhere there. Raises LlbuildError.
    """
    if stub is None:
        given = build_input(options, view.sources)
        return replace(given, request=replace(given.request, for_build=False, session_id=session_id))
    given = build_input(replace(options, frontend=options.frontend or "dockerfile"), view.sources)
    request = replace(
        given.request,
        platform=given.request.platform if options.platforms else stub.platform,
        build_platform=stub.platform,
        for_build=False,
        session_id=session_id,
    )
    return replace(given, request=request)


def compile_input(
    given: BuildInput, images: StubImages | ContentStore, view: BuildView, config: Config | None = None
) -> Compiled:
    """Compile, and nothing else.

    Base images are looked up in the store, else asked of their registries, of which `config` says how; or `images` has
    all the answers. Raises LlbuildError.
    """
    return _answer(Compiling(given, _lookup(given, images), view), images, config)


def ask_frontend(
    ask: Callable[[Request, Lookup], Answer],
    given: BuildInput,
    images: StubImages | ContentStore,
    view: BuildView,
    config: Config | None = None,
) -> Answer:
    """Another question than compiling, answered in the same way. Raises LlbuildError."""
    return _answer(Asking(ask, given, _lookup(given, images), view), images, config)


def _lookup(given: BuildInput, images: StubImages | ContentStore) -> KnownLookup:
    if isinstance(images, StubImages):  # the client is imagined too, and so are folders of its that an option names
        return KnownLookup(images.image, given.folders, stdin=given.stdin, others_are_empty=True)
    return KnownLookup(stored_images(images, given.mode), given.folders, stdin=given.stdin)


def _answer(asking: Asking[Answer], images: StubImages | ContentStore, config: Config | None) -> Answer:
    answer = asking.attempt()
    if answer is None:
        assert not isinstance(images, StubImages), "stub images leave no question open"
        from .compiling_async import ask_online

        answer = ask_online(asking, images, config or Config())
    return answer
