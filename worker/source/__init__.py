"""Sources: what a build starts from, brought into the content store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .images import ImageSource as ImageSource
    from .images import ResolveMode as ResolveMode
    from .oci_layout import OciLayoutSource as OciLayoutSource
    from .resolved import ResolvedImage as ResolvedImage
    from .resolved import resolve_local as resolve_local

# Lazy (PEP 562): a cached build resolves its images from the store and loads no event loop.
_HOME = {
    "ImageSource": "images",
    "OciLayoutSource": "oci_layout",
    "ResolveMode": "images",
    "ResolvedImage": "resolved",
    "resolve_local": "resolved",
}
__all__ = ["ImageSource", "OciLayoutSource", "ResolveMode", "ResolvedImage", "resolve_local"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
