"""A frontend at work: called, given what it misses, and called again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from ..frontend import Compiled, MoreNeeded
from ..values import replace
from .config.values import Config
from .lookup import KnownLookup, stored_images
from .remembered import RememberedCompilations
from .request import build_input, check_syntax
from .resultfiles import stored_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..frontend import Lookup, Request
    from ..worker import Prober
    from ..worker.source import Pins
    from .compile_options import CompileOptions
    from .job import BuildView
    from .request import BuildInput
    from .state import State
    from .stub_images import StubImages

__all__ = ["Asking", "Compiling", "ask_frontend", "compile_input", "open_compiling", "open_lookup", "whole_input"]

Answer = TypeVar("Answer")


class Asking(Generic[Answer]):
    """One question to a frontend about one request. What becomes known on the way is left in `view`."""

    def __init__(
        self,
        ask: Callable[[Request, Lookup], Answer],
        given: BuildInput,
        lookup: KnownLookup,
        view: BuildView,
        prober: Prober | None = None,
    ) -> None:
        """prober: of the worker that may have to look for answers; None where there is none."""
        self.ask = ask
        self.given = given
        self.lookup = lookup
        self.view = view
        self.prober = prober

    def attempt(self) -> Answer | None:
        """Ask with what is known; None when more must be looked up first: `lookup.missing`."""
        try:
            answer = self.ask(self.given.request, self.lookup)
            if self.given.remote:
                check_syntax(self.given, self.lookup.read)
            return answer
        except MoreNeeded:
            return None
        finally:
            self.view.note_read(self.lookup.read)


class Compiling(Asking[Compiled]):
    """The question that all frontends answer."""

    def __init__(
        self,
        given: BuildInput,
        lookup: KnownLookup,
        view: BuildView,
        prober: Prober | None = None,
        *,
        remembered: RememberedCompilations | None = None,
    ) -> None:
        """remembered: where to look whether it was answered before; None: it is asked in any case."""
        ask = given.frontend.compile if remembered is None else partial(remembered.compile, given.frontend)
        super().__init__(ask, given, lookup, view, prober)

    def attempt(self) -> Compiled | None:
        compiled = super().attempt()
        if compiled is not None:
            self.view.definitions = tuple(result.definition for result in compiled.results)
            self.view.platforms = tuple(str(result.platform) for result in compiled.results)
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
    given: BuildInput, known: StubImages | State, view: BuildView, config: Config | None = None
) -> Compiled:
    """Compile, and nothing else.

    Base images are looked up in the store, else asked of their registries, of which `config` says how; or `known` has
    all the answers. Raises LlbuildError.
    """
    return _answer(Compiling(given, *_lookup(given, known, view)), known, config)


def ask_frontend(
    ask: Callable[[Request, Lookup], Answer],
    given: BuildInput,
    known: StubImages | State,
    view: BuildView,
    config: Config | None = None,
) -> Answer:
    """Another question than compiling, answered in the same way. Raises LlbuildError."""
    return _answer(Asking(ask, given, *_lookup(given, known, view)), known, config)


def open_lookup(given: BuildInput, state: State, pins: Pins | None = None) -> tuple[KnownLookup, Prober]:
    """What a state folder can tell at once, and the quick half of its worker. pins: what sources are held to."""
    prober = state.prober(given.folders, given.files, pins=pins)
    images = stored_images(state.content, given.mode, prober.pins)
    results = stored_results(prober, state.cache)
    return KnownLookup(images, given.folders, stdin=given.stdin, results=results), prober


def open_compiling(
    given: BuildInput, state: State, view: BuildView, pins: Pins | None = None
) -> tuple[Compiling, Prober]:
    """The question for a build, answered from memory where it was put before, and the prober it was opened with."""
    lookup, prober = open_lookup(given, state, pins)
    return Compiling(given, lookup, view, prober, remembered=RememberedCompilations(state.database)), prober


def _lookup(
    given: BuildInput, known: StubImages | State, view: BuildView
) -> tuple[KnownLookup, BuildView, Prober | None]:
    from .stub_images import StubImages

    if isinstance(known, StubImages):
        return KnownLookup(known.image, given.folders, stdin=given.stdin), view, None
    lookup, prober = open_lookup(given, known)
    return lookup, view, prober


def _answer(asking: Asking[Answer], known: StubImages | State, config: Config | None) -> Answer:
    answer = asking.attempt()
    if answer is None:
        from .compiling_async import ask_online
        from .stub_images import StubImages

        assert not isinstance(known, StubImages), "stub images leave no question open"
        answer = ask_online(asking, known, config or Config())
    return answer
