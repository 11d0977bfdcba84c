"""Build languages: the contract of a frontend, and where plugins are found. The Dockerfile's is `dockerfile/`."""

from __future__ import annotations

from .contract import (
    BuildWarning,
    Compiled,
    CompilingFrontend,
    Lookup,
    MoreNeeded,
    NoSuchFile,
    PlatformResult,
    Request,
    ResolvedImage,
)
from .registry import load_frontend
from .syntax import frontend_named

__all__ = [
    "BuildWarning",
    "Compiled",
    "CompilingFrontend",
    "Lookup",
    "MoreNeeded",
    "NoSuchFile",
    "PlatformResult",
    "Request",
    "ResolvedImage",
    "frontend_named",
    "load_frontend",
]
