"""One header block of a tar to a member: ustar, GNU's own and the formats before them.

A header is believed when its checksum fits; what the numbers and names in it may do is for others to judge.
"""

from __future__ import annotations

from ...errors import CorruptError
from . import member as kinds
from .member import HEADER, Member, byte_sum

__all__ = ["decode_header", "number"]

_EIGHT_BLANKS = 8 * 0x20
_TIME_MAX = 1 << 33


def decode_header(block: memoryview, *, first: bool) -> Member:
    """What the block says. Raises CorruptError; `first` is what tells damage from something else altogether."""
    (name, mode, uid, gid, size, mtime, checksum, kind, link, magic, _, _, major, minor, prefix) = HEADER.unpack(block)
    wanted = number(checksum[:7])  # six digits and a NUL, mostly, before a blank
    if wanted % 65521 != (byte_sum(block) - byte_sum(checksum) + _EIGHT_BLANKS) % 65521:
        _check_signed_sum(block, wanted, first=first)
    name = name.partition(b"\0")[0]
    if prefix[0] and magic[:6] == b"ustar\0":  # GNU's own format has times there
        name = prefix.partition(b"\0")[0] + b"/" + name
    mtime_s = number(mtime)
    return Member(
        name,
        kind,
        number(mode) & 0o7777,
        number(uid),
        number(gid),
        mtime_s * 1_000_000_000 if -_TIME_MAX < mtime_s < _TIME_MAX else 0,  # as containerd does
        number(size),
        link.partition(b"\0")[0],
        (number(major), number(minor)) if kind in (kinds.CHAR_DEVICE, kinds.BLOCK_DEVICE) else (0, 0),
    )


def number(field: bytes) -> int:
    """Octal digits, or base-256 when the first bit is set (GNU tar, "Basic Tar Format")."""
    try:
        return int(field[:-1], 8)  # as nearly everybody writes them: digits to the last byte but one
    except ValueError:
        return _odd_number(field)


def _odd_number(field: bytes) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        return value if field[0] == 0xFF else value + (1 << (8 * len(field) - 1))
    digits = field.partition(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise CorruptError(
            f"not a tar archive: a header has {field!r} for a number", expected="octal digits", actual=repr(field)
        ) from None


def _check_signed_sum(block: memoryview, wanted: int, *, first: bool) -> None:
    """Some old writers summed the bytes up as signed ones."""
    blanked = bytes(block[:148]) + b" " * 8 + bytes(block[156:])
    if sum(byte - 256 if byte > 127 else byte for byte in blanked) != wanted:
        what = "not a tar archive" if first else "the archive is damaged"
        raise CorruptError(
            f"{what}: a header's checksum does not fit", expected=f"checksum {sum(blanked)}", actual=str(wanted)
        )
