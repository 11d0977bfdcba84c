"""The Dockerfile language, compiled to the graph BuildKit makes of it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from ..contract import CompilingFrontend

if TYPE_CHECKING:
    from ..contract import Compiled, Lookup, Request

__all__ = ["FRONTEND"]


def _compile(request: Request, lookup: Lookup) -> Compiled:
    from .compiler import compile_request

    # All that is made on the way lives until the end: looking for garbage in it takes half the time of a large file.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return compile_request(request, lookup)
    finally:
        if collecting:
            gc.enable()


FRONTEND = CompilingFrontend(name="dockerfile", compile=_compile)
