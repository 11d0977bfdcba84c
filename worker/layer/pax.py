"""Pax extended headers: records that override what the fixed fields of the next member say.

Spec: POSIX.1-2017 pax, "pax Extended Header". Only what a file system can use is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import CorruptError
from .member import XATTR_PREFIX

if TYPE_CHECKING:
    from .member import Member

__all__ = ["apply_records", "decode_records"]

_KEPT = frozenset({b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"})
_OWN = (XATTR_PREFIX, b"GNU.sparse.")
_INTEGER = re.compile(rb"[0-9]{1,19}")
_TIME = re.compile(rb"(-?)([0-9]{1,12})(?:\.([0-9]*))?")


def decode_records(data: bytes, *, is_global: bool) -> dict[bytes, bytes]:
    """The records we use. An empty value takes an earlier record back.

    Attributes and maps of sparse files are kept from a member's own header only.
    """
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data) and data[position]:
        blank = data.find(b" ", position, position + 20)
        digits = data[position:blank]
        end = position + int(digits) if blank > position and digits.isdigit() else -1
        record = data[blank + 1 : end]
        key, equals, value = record.partition(b"=")
        if not blank < end <= len(data) or not equals or not value.endswith(b"\n"):
            raise _malformed(f"a record at byte {position}")
        value = value[:-1]
        if key in _KEPT or (not is_global and key.startswith(_OWN)):
            records[key] = value
        position = end
    return records


def apply_records(member: Member, records: dict[bytes, bytes]) -> Member:
    """The member with what the records say in place of what the header said."""
    changed: dict[str, object] = {}
    xattrs: list[tuple[bytes, bytes]] = []
    for key, value in records.items():
        if key.startswith(XATTR_PREFIX):
            xattrs.append((_xattr_name(key), value))
        elif not value or key.startswith(b"GNU.sparse."):
            continue
        elif key == b"path":
            changed["name"] = value
        elif key == b"linkpath":
            changed["link"] = value
        elif key == b"mtime":
            changed["mtime_ns"] = _nanoseconds(value)
        else:
            changed["size_bytes" if key == b"size" else key.decode()] = _integer(key, value)
    if sparse_name := records.get(b"GNU.sparse.name"):  # the path is one made up for readers that know less
        changed["name"] = sparse_name
    if xattrs:
        changed["xattrs"] = tuple(xattrs)
    return member._replace(**changed)  # type: ignore[arg-type]  # each key is paired with its type above


def _xattr_name(key: bytes) -> bytes:
    return key.removeprefix(XATTR_PREFIX).replace(b"%3D", b"=").replace(b"%25", b"%")


def _integer(key: bytes, value: bytes) -> int:
    if not _INTEGER.fullmatch(value):
        raise _malformed(f"{key.decode()}={value[:40]!r}")
    return int(value)


def _nanoseconds(value: bytes) -> int:
    found = _TIME.fullmatch(value)
    if not found:
        raise _malformed(f"mtime={value[:40]!r}")
    sign, seconds, fraction = found.groups()
    time = int(seconds) * 1_000_000_000 + int((fraction or b"")[:9].ljust(9, b"0"))
    return -time if sign else time


def _malformed(what: str) -> CorruptError:
    return CorruptError(
        f"the archive has a malformed pax header: {what}", expected="pax records, LENGTH KEY=VALUE", actual=what
    )
