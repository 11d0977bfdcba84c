"""A build under way, and what becomes of it: the values that both gears of the engine share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import BuildWarning
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..digest import Digest
    from ..image import Descriptor, LayerBlob
    from ..llb import Definition
    from ..solver import Plan, Ref
    from ..worker import Prober
    from .compiling import Compiling
    from .progress import Display
    from .solve_options import SolveOptions
    from .state import State

__all__ = ["Build", "BuildResult", "BuildView"]


@frozen
class BuildResult:
    """A finished build. `manifest` is None when only a filesystem was exported."""

    manifest: Descriptor | None = None
    config_digest: Digest | None = None
    names: tuple[str, ...] = ()  # canonical, under which the store now knows the image
    number: int = 0  # in the build history; 0: not recorded
    provenance: tuple[tuple[str, dict[str, Any]], ...] = ()  # by platform, for --metadata-file


class BuildView:
    """What becomes known while a build goes on, and is needed to report its failure or its warnings."""

    __slots__ = ("_said", "definitions", "files", "platforms", "sources", "warnings")

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}  # what the frontend has read of the client's, path -> contents
        self.sources: dict[str, str] = {}  # build files, path -> text
        self.definitions: tuple[Definition, ...] = ()  # one for each platform
        self.platforms: tuple[str, ...] = ()  # in the same order
        self.warnings: tuple[BuildWarning, ...] = ()  # the frontend's
        self._said: dict[BuildWarning, None] = {}

    def warn(self, rule: str, message: str) -> None:
        """Have something said at the end of the build; once, however often it happens."""
        self._said[BuildWarning(rule=rule, message=message)] = None

    @property
    def said(self) -> tuple[BuildWarning, ...]:
        return tuple(self._said)

    @property
    def all_warnings(self) -> tuple[BuildWarning, ...]:
        return (*self.warnings, *self._said)

    def note_read(self, files: Mapping[str, bytes]) -> None:
        """The build files that a frontend has read, by path, in the order of reading."""
        self.files.update(files)
        self.sources.update((path, data.decode("utf-8", "replace")) for path, data in files.items())


@frozen
class Build:
    """One build under way: what was asked, where its state is, who watches.

    started: seconds since 1970. invocation: a name that no other build has.
    """

    options: SolveOptions
    compiling: Compiling
    state: State
    prober: Prober
    display: Display
    started: float
    invocation: str

    def inline_cache(self, plan: Plan, ref: Ref, layers: Sequence[LayerBlob]) -> bytes:
        """What the image is to carry of the build's cache, encoded; nothing unless that was asked for.

        ref: the result; layers: its layers as blobs, in the same order.
        """
        if not any(target.inline for target in self.options.cache_to):
            return b""
        from ..exporter import cache_config
        from ..image import encode_cache_config
        from ..solver import portable_records

        records = portable_records(plan, self.state.cache, frozenset(ref).issuperset)
        return encode_cache_config(cache_config(records, dict(zip(ref, layers, strict=True))))
