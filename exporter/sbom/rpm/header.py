"""A package's header, as rpm's databases keep it: rpm.org, "RPM file format", header structure, without its magic."""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = ["MOST_HEADER_BYTES", "Tag", "parse_header"]

MOST_HEADER_BYTES = 16 << 20
_MOST_ENTRIES = 64 << 10
_INT32, _STRING, _I18NSTRING = 4, 6, 9


class Tag(IntEnum):
    """The tags that matter."""

    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    VENDOR = 1011
    LICENSE = 1014
    ARCH = 1022
    SOURCE = 1044


_TAGS = frozenset(Tag)


def parse_header(blob: bytes) -> dict[int, str]:
    """The tags that matter, as text; nothing of a header that is malformed."""
    if len(blob) < 8:
        return {}
    count, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * count
    if count > _MOST_ENTRIES or start + size > len(blob):
        return {}
    said: dict[int, str] = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", blob[8:start]):
        if tag not in _TAGS or offset >= size:
            continue
        at = start + offset
        if kind in {_STRING, _I18NSTRING}:
            end = blob.find(b"\0", at, start + size)
            said[tag] = blob[at : end if end >= 0 else start + size].decode("utf-8", "replace")
        elif kind == _INT32 and offset + 4 <= size:
            said[tag] = str(struct.unpack_from(">I", blob, at)[0])
    return said
