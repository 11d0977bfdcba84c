"""A tar archive as a table of its members: for reading blobs out of an OCI archive where they lie.

Only what such archives hold: plain files, and links to them within the archive, in ustar, GNU or PAX headers
(POSIX.1-2008 pax, "ustar Interchange Format"). Headers are read one after the other and contents skipped, so a large
archive costs a seek for each of its few members. Layers are no business of this module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ...errors import SourceError

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["Member", "read_members"]

_BLOCK = 512
_MAX_HEADERS = 20_000
_MAX_EXTENDED_BYTES = 1 << 20
_PACKED = {b"\x1f\x8b": "gzip", b"(\xb5": "zstd", b"BZ": "bzip2", b"\xfd7": "xz"}


class Member(NamedTuple):
    """Where a file's bytes lie in the archive."""

    offset: int
    size_bytes: int


def read_members(file: BinaryIO, *, ref: str) -> dict[str, Member]:
    """The plain files of the archive by their name, without a leading `./`, and by the names of links to them.

    Raises SourceError.
    """
    total = os.fstat(file.fileno()).st_size
    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    extended: dict[str, str] = {}
    offset = 0
    for _ in range(_MAX_HEADERS):
        file.seek(offset)
        header = file.read(_BLOCK)
        if offset and (not header or not header.strip(b"\0")):
            return _with_links(members, links)
        _check_header(header, offset, ref)
        size = _number(header[124:136], ref)
        kind, data = header[156:157], offset + _BLOCK
        if kind in b"xgLK":
            extended |= _read_extended(file, kind, size, ref)
        else:
            size = int(extended.get("size", size))
            name = extended.get("path") or _name(header)
            name = name.removeprefix("./")
            if kind in b"0\x007":
                members[name] = Member(data, size)
            elif kind in b"12":
                link = extended.get("linkpath") or os.fsdecode(header[157:257].partition(b"\0")[0])
                links[name] = os.path.normpath(os.path.join(os.path.dirname(name) if kind == b"2" else "", link))
            extended = {}
        offset = data + -(-size // _BLOCK) * _BLOCK
        if data + size > total:
            raise SourceError(f"{ref} is truncated: {total} bytes, expected {offset} and more", ref=ref)
    raise SourceError(f"{ref} has more than {_MAX_HEADERS} headers: it is no OCI archive", ref=ref)


def _with_links(members: dict[str, Member], links: dict[str, str]) -> dict[str, Member]:
    """docker wrote a layer that several images have once, and links to it elsewhere."""
    return members | {name: members[target] for name, target in links.items() if target in members}


def _check_header(header: bytes, offset: int, ref: str) -> None:
    if len(header) == _BLOCK:
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        if _number(header[148:156], ref) == total:
            return
    packed = _PACKED.get(header[:2]) if offset == 0 else None
    if packed is not None:
        raise SourceError(f"{ref} is compressed", ref=ref, hint=f"decompress it first ({packed} -d)")
    raise SourceError(f"{ref} is no tar archive, or a broken one: no header at byte {offset}", ref=ref)


def _number(field: bytes, ref: str) -> int:
    """An octal number, or GNU's base-256 for those that do not fit."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise SourceError(f"{ref} is no tar archive, or a broken one: {text!r} is no octal number", ref=ref) from None


def _name(header: bytes) -> str:
    name = os.fsdecode(header[:100].partition(b"\0")[0])
    prefix = os.fsdecode(header[345:500].partition(b"\0")[0]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _read_extended(file: BinaryIO, kind: bytes, size: int, ref: str) -> dict[str, str]:
    """What a header says of the member after it: GNU's long name, or the records `LENGTH KEY=VALUE\\n` of PAX."""
    if size > _MAX_EXTENDED_BYTES:
        raise SourceError(f"{ref}: an extended header of {size} bytes", ref=ref)
    data = file.read(size)
    if kind in b"LK":
        return {"path" if kind == b"L" else "linkpath": os.fsdecode(data.rstrip(b"\0"))}
    found: dict[str, str] = {}
    while kind == b"x" and data:
        length, space, _ = data.partition(b" ")
        if not (space and length.isdigit() and len(length) < 8 and len(length) + 1 < int(length) <= len(data)):
            raise SourceError(f"{ref}: a broken extended header", ref=ref)
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        found[os.fsdecode(key)] = os.fsdecode(value)
        data = data[int(length) :]
    if not found.get("size", "0").isdecimal():
        raise SourceError(f"{ref}: a broken extended header", ref=ref)
    return found
