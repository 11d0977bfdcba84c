"""Stored results that turn out to be none: a layer of theirs cannot be had, so what made it is done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BuildError, LostLayerError
from ..frontend import BuildWarning

if TYPE_CHECKING:
    from .job import Build

__all__ = ["lost_layers", "warn_of_loss"]


def lost_layers(error: BaseException) -> set[str]:
    """The layers for whose loss a build failed; none when it failed for anything else as well."""
    if isinstance(error, BuildError):
        each = [lost_layers(inner) for inner in error.errors]
        return set().union(*each) if all(each) else set()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LostLayerError):
            return {cause.layer}
        cause = cause.__cause__
    return set()


def warn_of_loss(job: Build, error: BaseException) -> None:
    """Have it said at the end of the build."""
    message = f"part of the cache is lost, and was made anew: {error}"
    job.compiling.view.warnings = (*job.compiling.view.warnings, BuildWarning(rule="CacheLost", message=message))
