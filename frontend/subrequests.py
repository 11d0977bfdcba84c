"""What a build file can be asked besides being built: findings of lint, an outline of its parameters, its targets.

The words are those of BuildKit's subrequests (frontend/subrequests). Imported when one is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import frozen

if TYPE_CHECKING:
    from ..errors import BuildWarning, DockerfileError
    from ..span import Span

__all__ = ["CacheMount", "LintResult", "Needed", "Outline", "OutlineArg", "Target"]


@frozen
class LintResult:
    """`error` is what ends a build of the file; what stands after its place may not have been looked at."""

    warnings: tuple[BuildWarning, ...] = ()
    error: DockerfileError | None = None


@frozen
class OutlineArg:
    """A build argument that makes a difference, with the value it has in this request."""

    name: str
    value: str = ""
    description: str = ""
    at: Span | None = None


@frozen
class Needed:
    """A secret or an ssh agent, by its id; without a required one the build fails."""

    name: str
    required: bool = False
    at: Span | None = None


@frozen
class CacheMount:
    """A cache mount, by its id without the namespace."""

    id: str
    at: Span | None = None


@frozen
class Outline:
    """The parameters of one target, each kind in order of the file."""

    name: str = ""  # of the target; "" when its stage has none
    description: str = ""
    args: tuple[OutlineArg, ...] = ()
    secrets: tuple[Needed, ...] = ()
    ssh: tuple[Needed, ...] = ()
    cache: tuple[CacheMount, ...] = ()


@frozen
class Target:
    """Something that can be built: for a Dockerfile a stage. `base` and `platform` as written."""

    name: str = ""
    description: str = ""
    base: str = ""
    platform: str = ""
    default: bool = False
    at: Span | None = None
