"""A frontend at work: called, given what it misses, and called again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..frontend import MoreNeeded
from .lookup import KnownLookup, stored_images
from .stub_images import StubImages

if TYPE_CHECKING:
    from ..frontend import Compiled
    from ..worker import ContentStore
    from .job import BuildView
    from .request import BuildInput

__all__ = ["Compiling", "compile_input"]


class Compiling:
    """One frontend, one request. What becomes known on the way is left in `view`."""

    def __init__(self, given: BuildInput, lookup: KnownLookup, view: BuildView) -> None:
        self.given = given
        self.lookup = lookup
        self.view = view

    def attempt(self) -> Compiled | None:
        """Compile with what is known; None when more must be looked up first: `lookup.missing`."""
        try:
            compiled = self.given.frontend.compile(self.given.request, self.lookup)
        except MoreNeeded:
            return None
        finally:
            self.view.note_read(self.lookup.read)
        self.view.definition = compiled.results[0].definition
        self.view.warnings = compiled.warnings
        return compiled


def compile_input(given: BuildInput, images: StubImages | ContentStore, view: BuildView) -> Compiled:
    """Compile, and nothing else.

    Base images are looked up in the store, else asked of their registries; or `images` has all the answers.
    Raises LlbuildError.
    """
    here = images.image if isinstance(images, StubImages) else stored_images(images, given.mode)
    compiling = Compiling(given, KnownLookup(here, given.folders, stdin=given.stdin), view)
    compiled = compiling.attempt()
    if compiled is None:
        assert not isinstance(images, StubImages), "stub images leave no question open"
        from .compiling_async import compile_online

        compiled = compile_online(compiling, images)
    return compiled
