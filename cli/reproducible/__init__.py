"""`llbuild verify-reproducible`: a build made twice from nothing, and what of its image came out differently."""

from __future__ import annotations

from .command import run

__all__ = ["run"]
