"""Sources: what a build starts from, brought into the content store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .identifier import parse_identifier as parse_identifier
    from .identifier import resolve_local as resolve_local
    from .images import ImageSource as ImageSource
    from .oci_layout import OciLayoutSource as OciLayoutSource
    from .resolved import ResolvedImage as ResolvedImage

# Lazy (PEP 562): a cached build resolves its images from the store and loads no event loop.
_HOME = {
    "ImageSource": "images",
    "OciLayoutSource": "oci_layout",
    "ResolvedImage": "resolved",
    "parse_identifier": "identifier",
    "resolve_local": "identifier",
}
__all__ = ["ImageSource", "OciLayoutSource", "ResolvedImage", "parse_identifier", "resolve_local"]

__getattr__ = lazy_face(__name__, _HOME)
