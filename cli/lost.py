"""Stored results that turn out to be none, since a layer of theirs or the whole database cannot be had any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BuildError, DamagedError, LostLayerError, causes
from ..values import replace
from .compiling import open_compiling
from .state import open_state, replace_damaged

if TYPE_CHECKING:
    from .job import Build

__all__ = ["without_lost"]


def without_lost(job: Build, error: BaseException, known: set[str]) -> Build | None:
    """The build to go on with, which takes what was lost for a miss; a warning will say so at its end.

    known: what was lost before, in this build; gets what is lost now. Returns None when a loss was not all that `error`
    is about, or nothing is lost that was not before.
    """
    losses = _losses(error)
    found = {loss.layer if isinstance(loss, LostLayerError) else loss.path for loss in losses}
    if found <= known:
        return None
    known |= found
    for loss in losses:
        if isinstance(loss, LostLayerError):
            job.prober.lost.add(loss.layer)
            said = f"part of the cache is lost, and was made anew: {error}"
        else:
            said = replace_damaged(loss)
            job = _reopened(job)
        job.compiling.view.warn("CacheLost", said)
    return job


def _losses(error: BaseException) -> list[LostLayerError | DamagedError]:
    """For the loss of what a build failed; nothing when it failed for anything else as well."""
    if isinstance(error, BuildError):
        each = [_losses(inner) for inner in error.errors]
        return [loss for losses in each for loss in losses] if all(each) else []
    return [link for link in causes(error) if isinstance(link, LostLayerError | DamagedError)][:1]


def _reopened(job: Build) -> Build:
    """The same build, with the database that there is now."""
    old = job.state
    old.database.close()
    state = open_state(str(old.root), userxattr=old.layers.userxattr)
    compiling, prober = open_compiling(job.compiling.given, state, job.compiling.view, job.prober.pins)
    prober.lost |= job.prober.lost
    prober.resolved |= job.prober.resolved
    return replace(job, state=state, prober=prober, compiling=compiling)
