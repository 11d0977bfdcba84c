"""`llbuild builds`: the builds on record, and what can be done with them."""

from __future__ import annotations

from .command import run
from .listing import build_title, render_builds

__all__ = ["build_title", "render_builds", "run"]
