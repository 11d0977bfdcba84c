"""Layers in eStargz form: gzip in which every file can be found, fetched and checked alone.

Spec: stargz-snapshotter, docs/estargz.md. The blob is a row of gzip members. Each file's content begins one, and so
does each 4 MiB of a large one; the last but one holds a table of contents, the last is empty and says where that
begins. To everybody else it is a gzipped tar, with two files more. No file is preferred to others here, and a landmark
says so.
"""

from __future__ import annotations

import hashlib
import io
import json
from array import array
from base64 import b64encode
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ...errors import StoreError
from . import member as kinds
from .member import Member, padding
from .tarreader import TarLimits, TarReader
from .tarstream import TarStream
from .tarwriter import END_OF_ARCHIVE, encode_member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .blobwriter import BlobWriter

__all__ = ["MemberGzip", "StargzStream", "convert_to_stargz"]

TOC_NAME: Final = b"stargz.index.json"
NO_PREFETCH: Final = b".no.prefetch.landmark"
_RESERVED = frozenset({TOC_NAME, NO_PREFETCH, b".prefetch.landmark"})
_LANDMARK_CONTENT = b"\x0f"
_CHUNK_BYTES = 4 << 20  # of a large file that can be had alone: as in the reference implementation
_MOST_LINES = 1_000_000  # of the table: it has to be in memory as a whole, here and where it is read
_BATCH_BYTES = 1 << 20  # what is handed on at once
_GZIP_WRAPPER = 31  # zlib's code for "a gzip header and trailer around it"
_ISAL_LEVEL = 2
_TYPES = {
    kinds.FILE: "reg",
    kinds.HARD_LINK: "hardlink",
    kinds.SYMLINK: "symlink",
    kinds.CHAR_DEVICE: "char",
    kinds.BLOCK_DEVICE: "block",
    kinds.DIRECTORY: "dir",
    kinds.FIFO: "fifo",
}


class MemberGzip:
    """A compressor that ends a gzip member where it was told to; `offsets` are where they begin in the blob.

    The table of contents is the last member; what `flush` gives points at it.
    """

    def __init__(self, level: int | None) -> None:
        self.offsets: list[int] = []
        self.toc: bytes = b""
        self._level = level
        self._size = 0
        self._plans: deque[list[int]] = deque()

    def plan(self, sizes: list[int]) -> None:
        """How the data of the next `compress` is to be cut; from whatever thread, in the order of the data."""
        self._plans.append(sizes)

    def compress(self, data: bytes | bytearray | memoryview, /) -> bytes:
        left, packed = memoryview(data), []
        for size in self._plans.popleft():
            self.offsets.append(self._size)
            packed.append(self._gzip(left[:size]))
            self._size += len(packed[-1])
            left = left[size:]
        assert not left, "every byte belongs to a member"
        return b"".join(packed)

    def flush(self) -> bytes:
        """The footer. RFC 1952 for its parts: an extra field "SG", an empty stored block, no checksum, no size."""
        extra = b"%016xSTARGZ" % self.offsets[-1]
        field = b"SG" + len(extra).to_bytes(2, "little") + extra
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + len(field).to_bytes(2, "little")
        return head + field + b"\x01\0\0\xff\xff" + bytes(8)

    def _gzip(self, data: memoryview) -> bytes:
        if self._level is not None:
            import zlib

            return zlib.compress(data, self._level, _GZIP_WRAPPER)
        from isal import igzip_lib

        packed: bytes = igzip_lib.compress(data, _ISAL_LEVEL, flag=igzip_lib.COMP_GZIP)
        return packed


class StargzStream(TarStream):
    """A tar stream that is cut for eStargz, and ends with the table of contents. `blob`: made for that compression.

    The table is held until then, some 300 bytes for each member: raises StoreError where there are too many.
    """

    def __init__(self, blob: BlobWriter, *, latest_ns: int | None = None) -> None:
        super().__init__(blob.write, latest_ns=latest_ns)
        assert isinstance(blob.compressor, MemberGzip), "another compression cannot be cut"
        self._blob = blob
        self._gzip = blob.compressor
        self._lines: list[bytes] = []  # of the table, but for where in the blob it is
        self._places = array("q")  # the gzip member of each line, -1 for none
        self._chunks: list[tuple[int, int, bytes]] = []  # of the file that is written: gzip member, size, sha256
        self._members = 0  # that are complete
        self._sizes: list[int] = []  # of those that were not handed on yet
        self._open_bytes = 0  # of the one that is growing
        self._may_cut = True
        self._chunk_bytes = 0
        self._chunk_hash = hashlib.sha256()
        self._whole_hash: hashlib._Hash | None = None  # of a file of several chunks
        self._add_file(Member(NO_PREFETCH, kinds.FILE, 0o644, 0, 0, 0, 1), io.BytesIO(_LANDMARK_CONTENT).read)

    def add(self, member: Member) -> None:
        if not _is_reserved(member):
            self._list(self._described(member), -1)
            super().add(member)

    def add_file(self, member: Member, read: Callable[[int], bytes]) -> None:
        """See there. What the format writes itself is left out: a layer may have been in this form before."""
        if not _is_reserved(member):
            self._add_file(member, read)

    def _add_file(self, member: Member, read: Callable[[int], bytes]) -> None:
        self._whole_hash = hashlib.sha256() if member.size_bytes > _CHUNK_BYTES else None
        super().add_file(member, read)
        if self._chunk_bytes:
            self._end_chunk()
        self._list_file(member)
        self._chunks = []

    def _list_file(self, member: Member) -> None:
        """A line of the table for each chunk, or one for a file that is empty."""
        entry = self._described(member)
        if not self._chunks:
            self._list({**entry, "digest": _sha256(hashlib.sha256().digest())}, -1)
            return
        # One chunk has the digest of the whole: it is not computed twice.
        whole = self._chunks[0][2] if self._whole_hash is None else self._whole_hash.digest()
        entry |= {"size": member.size_bytes, "digest": _sha256(whole)}
        offset, last = 0, len(self._chunks) - 1
        for number, (place, size, digest) in enumerate(self._chunks):
            if number:
                entry = {"name": entry["name"], "type": "chunk", "chunkOffset": offset}
            if number < last:
                entry["chunkSize"] = size
            entry["chunkDigest"] = _sha256(digest)
            self._list(entry, place)
            offset += size

    def _list(self, entry: dict[str, Any], place: int) -> None:
        if len(self._lines) == _MOST_LINES:
            raise StoreError(
                f"a layer of more than {_MOST_LINES} files cannot be in eStargz form",
                hint="leave out compression=estargz",
            )
        self._lines.append(json.dumps(entry, separators=(",", ":")).encode())
        self._places.append(place)

    def end(self) -> None:
        self._cut()
        self._hand_on()
        self._blob.settle()  # now it is known where everything begins
        self._gzip.toc = b'{"version":1,"entries":[%b]}' % b",".join(self._located())
        self._lines = []
        size = len(self._gzip.toc)
        self._may_cut = False  # readers look no further than one gzip member
        self._append(encode_member(Member(TOC_NAME, kinds.FILE, 0o444, 0, 0, 0, size)))
        self._append(self._gzip.toc)
        self._append(padding(size) + END_OF_ARCHIVE)
        self._may_cut = True
        self._cut()
        self._hand_on()

    def _append(self, data: bytes) -> None:
        self._pieces.append(data)
        self._pending += len(data)
        self._open_bytes += len(data)
        if self._may_cut and self._open_bytes >= _BATCH_BYTES:
            self._cut()

    def _whole(self, header: bytes, content: bytes) -> None:
        self._append(header)
        self._content(content)
        self._append(padding(len(content)))

    def _content(self, data: bytes) -> None:
        while data:
            if not self._chunk_bytes:
                self._cut()
                self._may_cut = False
                self._chunk_hash = hashlib.sha256()
            part = data[: _CHUNK_BYTES - self._chunk_bytes]
            self._chunk_bytes += len(part)
            self._chunk_hash.update(part)
            if self._whole_hash is not None:
                self._whole_hash.update(part)
            self._append(part)
            data = data[len(part) :]
            if self._chunk_bytes == _CHUNK_BYTES:
                self._end_chunk()

    def _end_chunk(self) -> None:
        self._chunks.append((self._members, self._chunk_bytes, self._chunk_hash.digest()))
        self._chunk_bytes = 0
        self._may_cut = True

    def _cut(self) -> None:
        """End the gzip member that is growing."""
        if self._open_bytes:
            self._sizes.append(self._open_bytes)
            self._members += 1
            self._open_bytes = 0
        if self._pending >= _BATCH_BYTES:
            self._hand_on()

    def _hand_on(self) -> None:
        if self._pending:
            self._gzip.plan(self._sizes)
            self._sizes = []
            self._flush()

    def _located(self) -> Iterator[bytes]:
        """The table's lines, in the order of the archive."""
        for line, place in zip(self._lines, self._places, strict=True):
            yield line if place < 0 else b'%b,"offset":%d}' % (line[:-1], self._gzip.offsets[place])

    def _described(self, member: Member) -> dict[str, Any]:
        """What the table says of any kind of member."""
        is_folder = member.kind == kinds.DIRECTORY
        entry: dict[str, Any] = {
            "name": _text(member.name) + ("/" if is_folder else ""),
            "type": _TYPES[member.kind],
            "mode": member.mode,
            "uid": member.uid,
            "gid": member.gid,
        }
        if seconds := self._dated(member) // 10**9:
            entry["modtime"] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if member.kind in (kinds.HARD_LINK, kinds.SYMLINK):
            entry["linkName"] = _text(member.link)
        if member.kind in (kinds.CHAR_DEVICE, kinds.BLOCK_DEVICE):
            entry["devMajor"], entry["devMinor"] = member.device
        if member.xattrs:
            entry["xattrs"] = {_text(key): b64encode(value).decode() for key, value in member.xattrs}
        return entry


def convert_to_stargz(chunks: Iterator[bytes], blob: BlobWriter) -> None:
    """The members of a tar in eStargz form. Raises CorruptError when it is damaged."""
    reader = TarReader(chunks, TarLimits())
    tar = StargzStream(blob)
    while (member := reader.next()) is not None:
        if member.kind == kinds.FILE:
            tar.add_file(member, _Reading(reader.piece).read)
        else:
            tar.add(member)
    for _ in chunks:  # damage behind the end mark is damage too
        pass
    tar.end()


class _Reading:
    """A reader's pieces as `read`."""

    def __init__(self, piece: Callable[[], memoryview]) -> None:
        self._piece = piece
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._left:
            self._left = self._piece()
        data = bytes(self._left[:size])
        self._left = self._left[len(data) :]
        return data


def _is_reserved(member: Member) -> bool:
    return member.name.removeprefix(b"./") in _RESERVED


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _sha256(digest: bytes) -> str:
    return f"sha256:{digest.hex()}"
