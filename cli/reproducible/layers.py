"""Two layers, member by member: which names, which fields, which bytes differ."""

from __future__ import annotations

import hashlib
import os
from difflib import unified_diff
from typing import TYPE_CHECKING

from ...values import frozen, replace
from ...worker.layer import TarLimits, TarReader, iter_decompressed
from .difference import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ...worker.layer import Member

__all__ = ["compare_layers", "count_members"]

_KINDS = {
    b"0": "file",
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"5": "folder",
    b"6": "fifo",
}
_MOST_TEXT = 64 << 10  # bytes of a file whose lines are compared
_MOST_LINES = 20


@frozen
class _Found:
    member: Member
    digest: str  # of the content


def count_members(blob: Path) -> int:
    return sum(1 for _ in _members(blob))


def compare_layers(first: Path, second: Path) -> list[Difference]:
    """first, second: the layers' blobs. The differences, of names first; where, layer and step are the caller's.

    Raises CorruptError.
    """
    one, two = _read(first), _read(second)
    found = [_presence(name, name in one) for name in sorted(one.keys() ^ two.keys())]
    for name in (name for name in one if name in two):
        found += _fields(name, one[name], two[name])
    found = [_with_detail(difference, first, second) for difference in found]
    if not found and list(one) != list(two):
        names = next(pair for pair in zip(one, two, strict=True) if pair[0] != pair[1])
        found.append(Difference(where="layer", field="order", first=_name(names[0]), second=_name(names[1])))
    return found


def _members(blob: Path) -> Iterator[tuple[Member, TarReader]]:
    with blob.open("rb") as file:
        reader = TarReader(iter_decompressed(file), TarLimits())
        while (member := reader.next()) is not None:
            yield member, reader


def _read(blob: Path) -> dict[bytes, _Found]:
    """Every member by its name; of a name that is there twice, the last, as when unpacking."""
    found = {}
    for member, reader in _members(blob):
        hasher = hashlib.sha256()
        while piece := reader.piece():
            hasher.update(piece)
        found[member.name] = _Found(member=member, digest=hasher.hexdigest())
    return found


def _presence(name: bytes, in_first: bool) -> Difference:
    said = ("there", "") if in_first else ("", "there")
    return Difference(where="layer", field="presence", first=said[0], second=said[1], path=_name(name))


def _fields(name: bytes, one: _Found, two: _Found) -> Iterator[Difference]:
    first, second = _told(one), _told(two)
    for field in dict.fromkeys([*first, *second]):
        if first.get(field) != second.get(field):
            told = first.get(field, ""), second.get(field, "")
            yield Difference(where="layer", field=field, first=told[0], second=told[1], path=_name(name))


def _told(found: _Found) -> dict[str, str]:
    """Every field of a member that counts, as text."""
    member = found.member
    fields = {
        "kind": _KINDS.get(member.kind, repr(member.kind)),
        "content": f"{member.size_bytes} bytes, sha256:{found.digest[:12]}" if member.kind == b"0" else "",
        "mode": f"{member.mode:04o}",
        "owner": f"{member.uid}:{member.gid}",
        "mtime": _time(member.mtime_ns),
        "target": _name(member.link),
        "device": f"{member.device[0]}:{member.device[1]}",
    }
    return fields | {f"xattr {_name(key)}": value.hex() for key, value in member.xattrs}


def _time(nanoseconds: int) -> str:
    from datetime import UTC, datetime

    seconds, rest = divmod(nanoseconds, 10**9)
    try:
        shown = datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "")
    except (ValueError, OverflowError, OSError):
        return f"{nanoseconds} ns"
    return f"{shown}.{rest:09}Z" if rest else f"{shown}Z"


def _content(blob: Path, name: bytes) -> bytes:
    """The beginning of a file, and one byte more than is compared if there is."""
    data = bytearray()
    for member, reader in _members(blob):
        if member.name == name:
            data.clear()
            while len(data) <= _MOST_TEXT and (piece := reader.piece()):
                data += piece
    return bytes(data[: _MOST_TEXT + 1])


def _with_detail(difference: Difference, first: Path, second: Path) -> Difference:
    """Of a file with other contents, what is different in them."""
    if difference.field != "content":
        return difference
    name = os.fsencode(difference.path)
    return replace(difference, detail=tuple(_changed(_content(first, name), _content(second, name))))


def _changed(one: bytes, two: bytes) -> list[str]:
    """The lines that differ; of what is no text, where the first bytes are that do."""
    lines = [_lines(data) for data in (one, two)]
    if lines[0] is not None and lines[1] is not None:
        told = list(unified_diff(lines[0], lines[1], "first", "second", n=1, lineterm=""))
        return (
            told if len(told) <= _MOST_LINES else [*told[:_MOST_LINES], f"… and {len(told) - _MOST_LINES} lines more"]
        )
    at = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    if at > _MOST_TEXT:
        return [f"the first {_MOST_TEXT} bytes are equal"]
    begin = at - at % 16
    return [
        f"from byte {at}:",
        *(f"{sign}{data[begin : begin + 16].hex(' ')}" for sign, data in (("-", one), ("+", two))),
    ]


def _lines(data: bytes) -> list[str] | None:
    """The lines of a text; None for what is none, or too long."""
    if b"\0" in data or len(data) > _MOST_TEXT:
        return None
    try:
        return data.decode().split("\n")
    except UnicodeDecodeError:
        return None


def _name(name: bytes) -> str:
    return os.fsdecode(name)
