"""A tar stream as members, read once from front to end: ustar, old GNU (long names, base-256) and pax.

Knows the format only. What a name may do to a file system is the business of those who create files.
"""

from __future__ import annotations

from os import fsdecode
from typing import TYPE_CHECKING

from ...errors import CorruptError
from ...values import frozen
from . import member as kinds
from .member import BLOCK_BYTES
from .pax import apply_records, decode_records
from .sparse import SparseContent, check_map, old_gnu_map, pax_map
from .tarheader import decode_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .member import Member

__all__ = ["TarLimits", "TarReader"]

_ZEROS = bytes(BLOCK_BYTES)
_ID_MAX = (1 << 32) - 2  # -1 says "leave it" to chown
_KINDS = {kind: kind for kind in (b"0", b"1", b"2", b"3", b"4", b"5", b"6")}
_KINDS |= {b"\0": kinds.FILE, b"7": kinds.FILE, b"S": kinds.FILE, b"D": kinds.DIRECTORY}
_UNSUPPORTED = {b"M": "a part of a file from another volume"}


@frozen
class TarLimits:
    """What an archive may ask of us. Headers that only describe others (pax, long names) count as members too."""

    members: int = 10_000_000
    extended_bytes: int = 1 << 20  # as in Go's archive/tar
    name_bytes: int = 4096  # the kernel's PATH_MAX: nobody could use a longer one


class TarReader:
    """Reads members from the pieces of a tar. Raises CorruptError where they make none."""

    def __init__(self, chunks: Iterator[bytes], limits: TarLimits) -> None:
        self._chunks = chunks
        self._limits = limits
        self._data = memoryview(b"")
        self._position = 0
        self._content = 0  # bytes of the current member's content not handed out yet
        self._padding = 0
        self._sparse: SparseContent | None = None
        self._globals: dict[bytes, bytes] = {}
        self.members = 0

    def next(self) -> Member | None:
        """The next member, passing over what is left of the last one's content; None at the end."""
        records = self._globals
        name = link = b""
        while (block := self._next_block()) is not None:
            member = self._decode(block)
            if member.kind == b"S":
                return self._finish(member, records, name, link, header=bytes(block))
            match member.kind:
                case b"x":
                    records = self._globals | decode_records(self._extended(member), is_global=False)
                case b"g":
                    self._globals = self._globals | decode_records(self._extended(member), is_global=True)
                    records = self._globals | records
                case b"L":
                    name = self._extended(member).partition(b"\0")[0]
                case b"K":
                    link = self._extended(member).partition(b"\0")[0]
                case b"V":  # GNU: the label of a tape
                    self._expect(member.size_bytes)
                case _:
                    return self._finish(member, records, name, link)
        return None

    def piece(self) -> memoryview:
        """The next bytes of the current member's content, as many as are at hand; empty at its end."""
        return self._stored(self._content) if self._sparse is None else self._sparse.piece()

    def _stored(self, limit: int) -> memoryview:
        """The next of the bytes that are in the archive, at most `limit`."""
        if not self._content:
            return self._data[:0]
        if self._position == len(self._data):
            self._fill("the content of a file")
        piece = self._data[self._position : self._position + min(limit, self._content)]
        self._position += len(piece)
        self._content -= len(piece)
        return piece

    def _decode(self, block: memoryview) -> Member:
        member = decode_header(block, first=self.members == 0)
        self.members += 1
        if self.members > self._limits.members:
            raise CorruptError(
                "the archive has too many members", expected=f"at most {self._limits.members}", actual="more"
            )
        return member

    def _finish(
        self, member: Member, records: dict[bytes, bytes], name: bytes, link: bytes, header: bytes = b""
    ) -> Member:
        if name:
            member = member._replace(name=name)
        if link:
            member = member._replace(link=link)
        if records:
            member = apply_records(member, records)
        kind = _KINDS.get(member.kind)
        if member.name[-1:] == b"/":
            member = member._replace(name=member.name.rstrip(b"/") or b".")
            if kind == kinds.FILE:  # from before there was a type for folders
                kind = kinds.DIRECTORY
        if kind is None:
            what = _UNSUPPORTED.get(member.kind, f"a member of type {member.kind!r}")
            raise CorruptError(
                f"the archive has {what}, which is not supported: {fsdecode(member.name)}",
                expected="files, folders, links and devices",
                actual=what,
            )
        if kind != kinds.FILE:
            # As in Go's reader: nothing but a file has content, whatever its size says.
            member = member._replace(size_bytes=0, kind=kind)
        elif kind != member.kind:
            member = member._replace(kind=kind)
        self._check(member)
        self._expect(member.size_bytes)
        if header or b"GNU.sparse.size" in records or b"GNU.sparse.realsize" in records:
            return self._expand(member, records, header)
        return member

    def _expand(self, member: Member, records: dict[bytes, bytes], header: bytes) -> Member:
        """Find the map of a sparse file; its member is then as large as the file, not as what is stored."""

        def next_block() -> memoryview:
            return self._take(BLOCK_BYTES, "the map of a sparse file")

        def next_stored() -> memoryview:
            self._content = max(0, self._content - BLOCK_BYTES)  # a map of version 1.0 counts as content
            return next_block()

        found = old_gnu_map(header, next_block) if header else pax_map(records, next_stored)
        check_map(found, self._content)
        self._sparse = SparseContent(found, self._stored)
        return member._replace(size_bytes=found.size_bytes)

    def _check(self, member: Member) -> None:
        if len(member.name) > self._limits.name_bytes or len(member.link) > self._limits.name_bytes:
            raise CorruptError(
                f"a name in the archive is too long: {fsdecode(member.name[:80])}...",
                expected=f"at most {self._limits.name_bytes} bytes",
                actual=str(max(len(member.name), len(member.link))),
            )
        if b"\0" in member.name or b"\0" in member.link:
            raise CorruptError("a name in the archive has a NUL in it", expected="a name", actual=repr(member.name))
        if not (0 <= member.uid <= _ID_MAX and 0 <= member.gid <= _ID_MAX and member.size_bytes >= 0):
            raise CorruptError(
                f"{fsdecode(member.name)} has an owner or size that cannot be",
                expected="an id of 32 bits, a size of 63",
                actual=f"uid {member.uid}, gid {member.gid}, size {member.size_bytes}",
            )

    def _expect(self, size_bytes: int) -> None:
        self._content = size_bytes
        self._padding = -size_bytes % BLOCK_BYTES

    def _extended(self, member: Member) -> bytes:
        """The content of a header that describes the next member."""
        size = member.size_bytes
        if size > self._limits.extended_bytes:
            raise CorruptError(
                "the archive has an extended header that is too long",
                expected=f"at most {self._limits.extended_bytes} bytes",
                actual=str(size),
            )
        content = bytes(self._take(size, "an extended header"))
        self._padding = -size % BLOCK_BYTES
        return content

    def _next_block(self) -> memoryview | None:
        """The next header; None at the end mark, or where the stream ends instead of one."""
        while self._content:
            self._stored(self._content)
        self._sparse = None
        if self._padding:
            self._take(self._padding, "the padding of a file")
            self._padding = 0
        if self._position == len(self._data) and not self._refill():
            # Go's writer leaves the end mark out when it is not closed, and its reader accepts that.
            return None
        block = self._take(BLOCK_BYTES, "a header")
        return None if block == _ZEROS else block

    def _take(self, size: int, what: str) -> memoryview:
        end = self._position + size
        if end <= len(self._data):
            taken = self._data[self._position : end]
            self._position = end
            return taken
        gathered = bytearray()
        while len(gathered) < size:
            if self._position == len(self._data):
                self._fill(what)
            part = self._data[self._position : self._position + size - len(gathered)]
            self._position += len(part)
            gathered += part
        return memoryview(gathered)

    def _fill(self, what: str) -> None:
        if not self._refill():
            raise CorruptError(f"the archive ends within {what}", expected="more data", actual="the end")

    def _refill(self) -> bool:
        chunk = next(self._chunks, b"")
        self._data = memoryview(chunk)
        self._position = 0
        return bool(chunk)
