"""The Dockerfile language, compiled to the graph BuildKit makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract import CompilingFrontend

if TYPE_CHECKING:
    from ..contract import Compiled, Lookup, Request

__all__ = ["FRONTEND"]


def _compile(request: Request, lookup: Lookup) -> Compiled:
    from .compiler import compile_request

    return compile_request(request, lookup)


FRONTEND = CompilingFrontend(name="dockerfile", compile=_compile)
