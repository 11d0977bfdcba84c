"""Build languages: the contract of a frontend, and where plugins are found. The Dockerfile's is `dockerfile/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..faces import lazy_face
from .contract import (
    BuildWarning,
    Compiled,
    CompilingFrontend,
    Lookup,
    MoreNeeded,
    NoSuchFile,
    NoTime,
    PlatformResult,
    Request,
    ResolvedImage,
)
from .packed import HEAD_BYTES, is_packed
from .registry import load_frontend
from .syntax import MAX_HEAD, SYNTAX_ARGUMENT, frontend_named, frontend_of_syntax

if TYPE_CHECKING:
    from .subrequests import CacheMount as CacheMount
    from .subrequests import LintResult as LintResult
    from .subrequests import Needed as Needed
    from .subrequests import Outline as Outline
    from .subrequests import OutlineArg as OutlineArg
    from .subrequests import Target as Target

_LAZY = ("CacheMount", "LintResult", "Needed", "Outline", "OutlineArg", "Target")
__all__ = [
    "HEAD_BYTES",
    "MAX_HEAD",
    "SYNTAX_ARGUMENT",
    "BuildWarning",
    "CacheMount",
    "Compiled",
    "CompilingFrontend",
    "LintResult",
    "Lookup",
    "MoreNeeded",
    "Needed",
    "NoSuchFile",
    "NoTime",
    "Outline",
    "OutlineArg",
    "PlatformResult",
    "Request",
    "ResolvedImage",
    "Target",
    "frontend_named",
    "frontend_of_syntax",
    "is_packed",
    "load_frontend",
]
__getattr__ = lazy_face(__name__, dict.fromkeys(_LAZY, "subrequests"))
