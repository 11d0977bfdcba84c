"""Where an image is to be had: `docker-image://REFERENCE`, a bare reference, or `oci-layout://PATH[:NAME][@DIGEST]`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...digest import parse_digest
from ...errors import SourceError
from ...image import Reference, parse_reference
from ...values import frozen
from .resolved import resolve_known

if TYPE_CHECKING:
    from ...digest import Digest
    from ...platforms import Platform
    from ..content import ContentStore
    from .resolved import ResolvedImage

__all__ = ["LayoutImage", "parse_identifier", "resolve_local"]

_REGISTRY = "docker-image://"
_LAYOUT = "oci-layout://"


@frozen
class LayoutImage:
    """An image in an OCI layout, a folder or an archive. `name` "" is the only one in it."""

    path: str
    name: str = ""
    digest: Digest | None = None

    def __str__(self) -> str:
        return f"{_LAYOUT}{self.path}" + (f":{self.name}" if self.name else "")


def parse_identifier(text: str) -> Reference | LayoutImage:
    """Raises SourceError on another scheme and on a malformed reference."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return parse_reference(text)
    match scheme + separator:
        case "docker-image://":
            return parse_reference(rest)
        case "oci-layout://":
            return _parse_layout(rest)
    raise SourceError(f"{text!r} is no image: expected {_REGISTRY}… or {_LAYOUT}…", ref=text)


def _parse_layout(rest: str) -> LayoutImage:
    """A path may hold `:` and `@` itself, so what exists is believed before what is written."""
    path, digest = rest, None
    head, at, tail = rest.rpartition("@")
    if at:
        try:
            path, digest = head, parse_digest(tail)
        except ValueError:
            path = rest
    name = ""
    if not os.path.exists(path):
        path, name = _split_name(path)
    if not path:
        raise SourceError(f"{_LAYOUT}{rest} names no folder or archive", ref=_LAYOUT + rest)
    return LayoutImage(path=path, name=name, digest=digest)


def _split_name(text: str) -> tuple[str, str]:
    """`PATH:NAME`, of which both may have colons: the longest path that exists; of none, all but the last word."""
    at = text.rfind(":")
    while at > 0:
        if os.path.exists(text[:at]):
            return text[:at], text[at + 1 :]
        at = text.rfind(":", 0, at)
    head, colon, tail = text.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (text, "")


def resolve_local(store: ContentStore, text: str, platform: Platform, *, sources: bool = True) -> ResolvedImage | None:
    """What an image is, as far as this machine knows; None when a registry must be asked.

    Never waits: for planning and for cached builds. `sources=False` disbelieves what a registry said
    earlier. Raises SourceError and CorruptError.
    """
    image = parse_identifier(text)
    if isinstance(image, Reference):
        return resolve_known(store, image, platform, sources=sources)
    from .oci_layout import OciLayoutSource

    return OciLayoutSource(image.path, store).resolve(str(image), image.digest or image.name, platform)
