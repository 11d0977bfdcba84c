"""A tar archive written front to back into a file descriptor: a handful of files, some of them huge.

By hand, because `tarfile` copies contents through Python and costs more to load than the whole export
of a cached build. Headers are ustar with everything that could vary fixed (time 0, owner 0). Contents
are moved by the kernel; before a large one stands a PAX comment of such a length that the content
begins at a multiple of 4096, since file systems that share blocks do so only at whole blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ExportError
from .transfer import copy_bytes, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

__all__ = ["TarStream"]

_BLOCK = 512
_PAGE = 4096
_ALIGN_FROM_BYTES = 1 << 20
_MAX_OCTAL = 8**11 - 1
_FILE: Final = b"0"
_FOLDER: Final = b"5"
_PAX: Final = b"x"


class TarStream:
    """Writes to `descriptor`, which may be a pipe and stays open. Members come in the order of the calls."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = 0

    def folder(self, name: str) -> None:
        self._write(_header(f"{name}/", 0, mode=0o755, kind=_FOLDER))

    def file(self, name: str, data: bytes, *, mode: int = 0o444) -> None:
        self._write(_header(name, len(data), mode=mode, kind=_FILE) + data + _fill(len(data)))

    def blob(self, name: str, source: BinaryIO, size_bytes: int) -> None:
        """A file whose content is the next `size_bytes` of `source`. Raises CorruptError when there are fewer."""
        self._begin(name, size_bytes)
        copy_bytes(source.fileno(), self._descriptor, size_bytes)
        self._offset += size_bytes
        self._write(_fill(size_bytes))

    def pieces(self, name: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """A file whose content comes in pieces, `size_bytes` together. Raises ExportError when it is another number."""
        self._begin(name, size_bytes)
        left = size_bytes
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            self._write(piece)
        if left:
            raise ExportError(f"{name} changed while it was written: expected {size_bytes} bytes")
        self._write(_fill(size_bytes))

    def _begin(self, name: str, size_bytes: int) -> None:
        """The header of a file, and what goes before it."""
        large = size_bytes > _MAX_OCTAL
        if large or size_bytes >= _ALIGN_FROM_BYTES:
            self._write(_pax(self._offset, size_bytes if large else None))
        self._write(_header(name, 0 if large else size_bytes, mode=0o444, kind=_FILE))

    def end(self) -> None:
        """The two empty blocks that end an archive."""
        self._write(bytes(2 * _BLOCK))

    def _write(self, data: bytes) -> None:
        write_all(self._descriptor, data)
        self._offset += len(data)


def _header(name: str, size_bytes: int, *, mode: int, kind: bytes) -> bytes:
    """POSIX.1-2008 pax, "ustar Interchange Format"."""
    encoded = name.encode()
    assert len(encoded) <= 100, "the names of a layout are short"
    header = bytearray(_BLOCK)
    header[0 : len(encoded)] = encoded
    header[100:124] = b"%07o\0" % mode + b"0000000\0" * 2  # mode, uid, gid
    header[124:148] = b"%011o\0" % size_bytes + b"00000000000\0"  # size, mtime
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[329:345] = b"0000000\0" * 2  # device numbers
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _pax(offset: int, size_bytes: int | None) -> bytes:
    """An extended header for the next member: its size if ustar has no room for it, and a comment that aligns it."""
    records = b"" if size_bytes is None else _record(b"size", b"%d" % size_bytes)
    blocks = (-(offset + 2 * _BLOCK) % _PAGE) // _BLOCK or _PAGE // _BLOCK
    room = blocks * _BLOCK - len(records)
    records += (b"%d comment=" % room).ljust(room - 1) + b"\n"
    return _header("PaxHeaders.0/align", len(records), mode=0o444, kind=_PAX) + records


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\n`, where the length counts itself."""
    body = b" %s=%s\n" % (key, value)
    size = len(body) + 1
    while size != len(body) + len(str(size)):
        size = len(body) + len(str(size))
    return b"%d%s" % (size, body)


def _fill(size_bytes: int) -> bytes:
    return bytes(-size_bytes % _BLOCK)
