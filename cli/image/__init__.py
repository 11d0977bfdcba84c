"""`llbuild image COMMAND`: docker's names for what is done with the images of the local store, and `image prune`."""

from __future__ import annotations

from ..image.command import run

__all__ = ["run"]
