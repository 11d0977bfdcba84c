"""A frontend at work: called, given what it misses, and called again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..frontend import MoreNeeded
from .lookup import KnownLookup

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


def compile_input(given: BuildInput, content: ContentStore, view: BuildView) -> Compiled:
    """Compile, and nothing else: base images are looked up in the store, else asked of their registries.

    Raises LlbuildError.
    """
    compiling = Compiling(given, KnownLookup(content, given.folders, mode=given.mode, stdin=given.stdin), view)
    compiled = compiling.attempt()
    if compiled is not None:
        return compiled
    from .compiling_async import compile_online

    return compile_online(compiling, content)
