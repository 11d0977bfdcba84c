"""Packages of apk: Alpine, Wolfi and others. Format: wiki.alpinelinux.org, "Apk spec", the installed database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..attest import package_url
from .contract import Package
from .distro import find_distro
from .stanzas import stanzas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import ImageFiles

__all__ = ["scan_alpine"]

_PLACES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")  # the second: since apk-tools 3
_FIELDS = frozenset("PVALomF")
_MOST_BYTES = 64 << 20


def scan_alpine(files: ImageFiles) -> Iterator[Package]:
    """What is installed. Where /lib is a link to /usr/lib both places are one, and each package is told once."""
    distro = find_distro(files)
    for place in _PLACES:
        for fields in stanzas(files.lines(place, most_bytes=_MOST_BYTES), _FIELDS):
            name, version = fields.get("P", ""), fields.get("V", "")
            if not name or not version:
                continue
            origin = fields.get("o", "")
            qualifiers = {"arch": fields.get("A", ""), "distro": distro.name}
            qualifiers["upstream"] = origin if origin != name else ""
            yield Package(
                name=name,
                version=version,
                purl=package_url("apk", distro.id or "alpine", name, version, qualifiers),
                found_in=place,
                licenses=fields.get("L", ""),
                maintainer=fields.get("m", ""),
            )
