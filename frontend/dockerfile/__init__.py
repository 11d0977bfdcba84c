"""The Dockerfile language, compiled to the graph BuildKit makes of it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from ..contract import CompilingFrontend

if TYPE_CHECKING:
    from ..contract import Compiled, Lookup, Request
    from ..subrequests import LintResult, Outline, Target

__all__ = ["FRONTEND"]


def _compile(request: Request, lookup: Lookup) -> Compiled:
    from .compiler import compile_request
    from .support import NOT_YET

    # All that is made on the way lives until the end: looking for garbage in it takes half the time of a large file.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return compile_request(request, lookup, not_yet=NOT_YET if request.for_build else frozenset())
    finally:
        if collecting:
            gc.enable()


def _lint(request: Request, lookup: Lookup) -> LintResult:
    from .subrequests import lint_request

    return lint_request(request, lookup)


def _outline(request: Request, lookup: Lookup) -> Outline:
    from .subrequests import outline_request

    return outline_request(request, lookup)


def _targets(request: Request, lookup: Lookup) -> tuple[Target, ...]:
    from .subrequests import targets_request

    return targets_request(request, lookup)


FRONTEND = CompilingFrontend(name="dockerfile", compile=_compile, lint=_lint, outline=_outline, targets=_targets)
