"""The Dockerfile language, compiled to the graph BuildKit makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract import CompilingFrontend

if TYPE_CHECKING:
    from ..contract import Compiled, Lookup, Request

__all__ = ["FRONTEND"]


def _compile(request: Request, lookup: Lookup) -> Compiled:
    from .compiler import compile_request
    from .support import NOT_YET

    return compile_request(request, lookup, not_yet=NOT_YET if request.for_build else frozenset())


FRONTEND = CompilingFrontend(name="dockerfile", compile=_compile)
