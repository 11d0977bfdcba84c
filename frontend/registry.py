"""Finding frontend plugins: the entry-point group `llbuild.frontends`."""

from __future__ import annotations

from ..errors import FrontendError
from .contract import CompilingFrontend

__all__ = ["GROUP", "load_frontend"]

GROUP = "llbuild.frontends"


def load_frontend(name: str) -> CompilingFrontend:
    """The frontend registered under `name`.

    Raises FrontendError: none of that name (saying which there are), it cannot be imported, or it is no frontend.
    """
    from importlib.metadata import entry_points

    group = entry_points(group=GROUP)
    found = [entry for entry in group if entry.name == name]
    if not found:
        known = ", ".join(sorted({entry.name for entry in group})) or "none"
        raise FrontendError(f"no frontend {name!r} is installed; there are: {known}")
    try:
        frontend = found[0].load()
    except Exception as error:  # a plugin may raise anything while it is imported
        raise FrontendError(f"frontend {name!r} ({found[0].value}) cannot be loaded: {error}") from error
    if not isinstance(frontend, CompilingFrontend):
        raise FrontendError(f"{found[0].value} is a {type(frontend).__name__}, not a CompilingFrontend")
    return frontend
