"""A build under way, and what becomes of it: the values that both gears of the engine share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..frontend import MoreNeeded
from ..values import frozen

if TYPE_CHECKING:
    from ..digest import Digest
    from ..frontend import BuildWarning, Compiled
    from ..image import Descriptor
    from ..llb import Definition
    from ..worker import Prober
    from .lookup import KnownLookup
    from .options import BuildOptions
    from .progress import Display
    from .request import BuildInput
    from .state import State

__all__ = ["Build", "BuildResult", "BuildView"]


@frozen
class BuildResult:
    """A finished build. `manifest` is None when only a filesystem was exported."""

    manifest: Descriptor | None = None
    config_digest: Digest | None = None
    names: tuple[str, ...] = ()  # canonical, under which the store now knows the image


class BuildView:
    """What becomes known while a build goes on, and is needed to report its failure or its warnings."""

    __slots__ = ("definitions", "sources", "warnings")

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}  # build files, path -> text
        self.definitions: tuple[Definition, ...] = ()  # one per platform
        self.warnings: tuple[BuildWarning, ...] = ()


@frozen
class Build:
    """One build under way: what was asked, where its state is, who watches."""

    options: BuildOptions
    input: BuildInput
    state: State
    prober: Prober
    lookup: KnownLookup
    display: Display
    view: BuildView

    def compile(self) -> Compiled | None:
        """Compile with what is known; None when more must be looked up first."""
        try:
            compiled = self.input.frontend.compile(self.input.request, self.lookup)
        except MoreNeeded:
            return None
        finally:
            self.view.sources = {path: data.decode("utf-8", "replace") for path, data in self.lookup.read.items()}
        self.view.definitions = tuple(result.definition for result in compiled.results)
        self.view.warnings = compiled.warnings
        return compiled
