"""Tar members to bytes: ustar headers, with a pax header before them only where ustar cannot say it.

Own code and not the standard library's: a layer of small files costs little more than its headers, and equal
trees must give equal bytes whatever the Python version. User and group names are left out, as all image builders do.
"""

from __future__ import annotations

from functools import lru_cache

from .member import BLOCK_BYTES, DIRECTORY, FILE, HEADER, XATTR_PREFIX, Member, byte_sum, padding

__all__ = ["END_OF_ARCHIVE", "encode_member"]

END_OF_ARCHIVE = bytes(2 * BLOCK_BYTES)

_NAME_BYTES = 100
_PREFIX_BYTES = 155
_SMALL_MAX = 0o7777777  # seven octal digits: mode, ids, device numbers
_LARGE_MAX = 0o77777777777  # eleven: size, mtime
_MAGIC = b"ustar\x0000"
_ZERO = b"0000000"


def encode_member(member: Member) -> bytes:
    """The header block(s) of a member; its content and padding follow."""
    name, kind, mode, uid, gid, mtime_ns, size_bytes, link, _, xattrs = member
    if kind == DIRECTORY:
        name += b"/"
    mtime = mtime_ns // 1_000_000_000
    if (
        len(name) <= _NAME_BYTES
        and len(link) <= _NAME_BYTES
        and not xattrs
        and uid <= _SMALL_MAX
        and gid <= _SMALL_MAX
        and size_bytes <= _LARGE_MAX
        and 0 <= mtime <= _LARGE_MAX
        and name.isascii()
        and link.isascii()
    ):
        if kind in _TAILS and not link:  # nearly all there are
            head = b"%b%b%011o\0%011o\0" % (name.ljust(_NAME_BYTES, b"\0"), _ids(mode, uid, gid), size_bytes, mtime)
            tail, sum_of_tail = _TAILS[kind]
            return b"%b%06o\0 %b" % (head, byte_sum(head) + sum_of_tail, tail)
        return _header(member, name, b"", mtime)
    return _extended(member, name, mtime)


@lru_cache(maxsize=1000)
def _ids(mode: int, uid: int, gid: int) -> bytes:
    """Three fields that are the same for most members of an archive."""
    return b"%07o\0%07o\0%07o\0" % (mode, uid, gid)


def _header(member: Member, name: bytes, prefix: bytes, mtime: int) -> bytes:
    major, minor = member.device
    block = HEADER.pack(
        name,
        b"%07o" % member.mode,
        b"%07o" % member.uid,
        b"%07o" % member.gid,
        b"%011o" % member.size_bytes,
        b"%011o" % mtime,
        b"        ",
        member.kind,
        member.link,
        _MAGIC,
        b"",
        b"",
        b"%07o" % major if major else _ZERO,
        b"%07o" % minor if minor else _ZERO,
        prefix,
    )
    # The modulus of byte_sum is out of reach: names here are ASCII, 355 bytes at most.
    return b"%b%06o\0 %b" % (block[:148], byte_sum(block), block[156:])


def _tail(kind: bytes) -> tuple[bytes, int]:
    """What follows the checksum in the header of a plain file or folder; the sum of its bytes and of eight blanks."""
    tail = _header(Member(b"", kind, 0, 0, 0, 0), b"", b"", 0)[156:]
    return tail, byte_sum(tail) + 8 * ord(" ")


_TAILS = {kind: _tail(kind) for kind in (FILE, DIRECTORY)}


def _extended(member: Member, name: bytes, mtime: int) -> bytes:
    """A header that may need a pax header before it."""
    records: dict[bytes, bytes] = {}
    prefix, short = _split(name)
    if not short:
        records[b"path"] = name
        short = _ascii(member.name).rstrip(b"/")  # old readers take a file for a folder by its last slash
    if len(member.link) > _NAME_BYTES or not member.link.isascii():
        records[b"linkpath"] = member.link
    if not 0 <= mtime <= _LARGE_MAX:
        records[b"mtime"] = b"%d" % mtime
        mtime = 0
    for key, value in member.xattrs:
        records[XATTR_PREFIX + _xattr_key(key)] = value
    plain = member._replace(
        link=_ascii(member.link),
        uid=_fitting(records, b"uid", member.uid, _SMALL_MAX),
        gid=_fitting(records, b"gid", member.gid, _SMALL_MAX),
        size_bytes=_fitting(records, b"size", member.size_bytes, _LARGE_MAX),
    )
    return (_pax_header(name, records) if records else b"") + _header(plain, short, prefix, mtime)


def _fitting(records: dict[bytes, bytes], key: bytes, number: int, limit: int) -> int:
    """The number for the fixed field: 0 when it is too large, and a record has it."""
    if number <= limit:
        return number
    records[key] = b"%d" % number
    return 0


def _pax_header(name: bytes, records: dict[bytes, bytes]) -> bytes:
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    folder, _, base = name.rstrip(b"/").rpartition(b"/")
    own_name = _ascii(b"/".join(filter(None, (folder, b"PaxHeaders.0", base))))
    block = HEADER.pack(
        own_name,
        *(_ZERO, _ZERO, _ZERO),
        b"%011o" % len(content),
        b"00000000000",
        b"        ",
        b"x",
        b"",
        _MAGIC,
        *(b"", b"", _ZERO, _ZERO, b""),
    )
    return b"%b%06o\0 %b%b%b" % (block[:148], byte_sum(block), block[156:], content, padding(len(content)))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3  # the blank, "=" and the newline
    length = rest + len(str(rest))
    if rest + len(str(length)) != length:
        length += 1
    return b"%d %b=%b\n" % (length, key, value)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Prefix and name as ustar holds them, or two empty strings."""
    if not name.isascii():
        return b"", b""
    if len(name) <= _NAME_BYTES:
        return b"", name
    slash = name[: _PREFIX_BYTES + 1].removesuffix(b"/").rfind(b"/")
    if slash <= 0 or len(name) - slash - 1 > _NAME_BYTES:
        return b"", b""
    return name[:slash], name[slash + 1 :]


def _ascii(name: bytes) -> bytes:
    """What readers without pax support get to see of a name."""
    return name[:_NAME_BYTES].decode("ascii", "replace").replace("\ufffd", "?").encode()


def _xattr_key(key: bytes) -> bytes:
    """A pax key ends at its "="; GNU tar escapes one in the name like this."""
    if b"=" in key or b"%3D" in key or b"%25" in key:
        return key.replace(b"%", b"%25").replace(b"=", b"%3D")
    return key
