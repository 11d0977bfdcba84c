"""Finding frontend plugins: the entry-point group `llbuild.frontends`."""

from __future__ import annotations

from ..errors import FrontendError
from ..plugins import load_plugin
from .contract import CompilingFrontend

__all__ = ["GROUP", "load_frontend"]

GROUP = "llbuild.frontends"


def load_frontend(name: str) -> CompilingFrontend:
    """The frontend registered under `name`.

    Raises FrontendError: none of that name (saying which there are), it cannot be imported, or it is no frontend.
    """
    return load_plugin(name, group=GROUP, what="frontend", kind=CompilingFrontend, error=FrontendError)
