"""The one door from the commands to the engine: each function here does one command's work.

Nothing is printed here. What the commands need to know of a build that failed is left in `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..digest import Digest
    from ..frontend import BuildWarning
    from ..image import Descriptor
    from ..llb import Definition
    from .import_ import ImportOptions
    from .options import BuildOptions
    from .progress import Display
    from .run import RunOptions

__all__ = ["BuildResult", "BuildView", "build", "import_rootfs", "run_image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A finished build. `manifest` is None when only a filesystem was exported."""

    manifest: Descriptor | None = None
    config_digest: Digest | None = None
    names: tuple[str, ...] = ()  # canonical, under which the store now knows the image


@dataclass(slots=True)
class BuildView:
    """What becomes known while a build goes on, and is needed to report its failure or its warnings."""

    sources: dict[str, str] = field(default_factory=dict)  # build files, path -> text
    definition: Definition | None = None
    warnings: tuple[BuildWarning, ...] = ()


def build(options: BuildOptions, *, display: Display, view: BuildView) -> BuildResult:
    """Compile, solve and export."""
    raise NotImplementedError


def run_image(options: RunOptions) -> int:
    """Run a command in an image; returns its exit code (128 + n when signal n ended it)."""
    raise NotImplementedError


def import_rootfs(options: ImportOptions) -> Descriptor:
    """Make an image of a folder or tar with a root filesystem; returns its manifest."""
    raise NotImplementedError
