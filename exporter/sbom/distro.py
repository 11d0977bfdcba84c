"""Which distribution an image is of, as package URLs name it. Format: os-release(5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...values import frozen

if TYPE_CHECKING:
    from .files import ImageFiles

__all__ = ["Distro", "find_distro"]

_PLACES = ("etc/os-release", "usr/lib/os-release")
_MOST_BYTES = 64 << 10
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")


@frozen
class Distro:
    """`id` as os-release has it: debian, alpine, fedora; "" where nobody says."""

    id: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """`debian-12`, the value of the qualifier `distro`."""
        return "-".join(part for part in (self.id, self.version) if part)


def find_distro(files: ImageFiles) -> Distro:
    """As the image says; nothing when it does not."""
    for place in _PLACES:
        said = {}
        for line in files.lines(place, most_bytes=_MOST_BYTES):
            key, equals, value = line.partition("=")
            value = value.strip().strip("\"'")
            if equals and _WORD.fullmatch(value):
                said[key.strip()] = value
        if said:
            return Distro(id=said.get("ID", "").lower(), version=said.get("VERSION_ID", ""))
    return Distro()
