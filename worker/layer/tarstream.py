"""Members and their contents as one tar stream, padded and ended as the format wants it."""

from __future__ import annotations

from os import fsdecode
from typing import TYPE_CHECKING

from ...errors import StoreError
from .member import padding
from .tarwriter import END_OF_ARCHIVE, encode_member

if TYPE_CHECKING:
    from collections.abc import Callable

    from .member import Member

__all__ = ["FileChangedError", "TarStream"]

_CHUNK_BYTES = 1 << 20


class FileChangedError(StoreError):
    """A file was longer or shorter than its header says, which is out by then."""


class TarStream:
    """Writes an archive through `write`, a MiB or so at a time. Whole contents are never held.

    latest_ns: members that are younger are said to be that old; None leaves them.
    """

    def __init__(self, write: Callable[[bytes], object], *, latest_ns: int | None = None) -> None:
        self._write = write
        self._latest_ns = latest_ns
        self._pieces: list[bytes] = []
        self._pending = 0

    def add(self, member: Member) -> None:
        """A member without content."""
        self._append(self._header(member))

    def add_file(self, member: Member, read: Callable[[int], bytes]) -> None:
        """A file; `read(n)` gives its next bytes, at most n, and b"" at its end.

        Raises FileChangedError when that is not as much as the member says.
        """
        header = self._header(member)
        remaining = member.size_bytes
        # One more than is left, so that a file that grew shows it without a read of its own.
        chunk = read(_CHUNK_BYTES if remaining > _CHUNK_BYTES else remaining + 1)
        if len(chunk) == remaining:
            self._whole(header, chunk)
            return
        self._append(header)
        while True:
            if len(chunk) > remaining:
                raise _changed(member, "more")
            self._content(chunk)
            remaining -= len(chunk)
            if not remaining:
                break
            if not chunk:
                raise _changed(member, f"{member.size_bytes - remaining}")
            chunk = read(_CHUNK_BYTES if remaining > _CHUNK_BYTES else remaining + 1)
        if pad := padding(member.size_bytes):
            self._append(pad)

    def end(self) -> None:
        """Write the end mark and whatever was still gathered."""
        self._append(END_OF_ARCHIVE)
        self._flush()

    def _whole(self, header: bytes, content: bytes) -> None:
        """A file in one piece."""
        pad = padding(len(content))
        self._pieces += (header, content, pad)
        self._pending += len(header) + len(content) + len(pad)
        if self._pending >= _CHUNK_BYTES:
            self._flush()

    def _header(self, member: Member) -> bytes:
        if self._latest_ns is None:
            return encode_member(member)
        mtime_ns = self._dated(member)
        return encode_member(member if mtime_ns == member.mtime_ns else member._replace(mtime_ns=mtime_ns))

    def _dated(self, member: Member) -> int:
        """What the member's time is said to be, in nanoseconds since 1970."""
        return member.mtime_ns if self._latest_ns is None else min(member.mtime_ns, self._latest_ns)

    def _content(self, data: bytes) -> None:
        """Part of a file's content."""
        self._append(data)

    def _append(self, data: bytes) -> None:
        self._pieces.append(data)
        self._pending += len(data)
        if self._pending >= _CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._write(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))
        self._pieces = []
        self._pending = 0


def _changed(member: Member, found: str) -> FileChangedError:
    return FileChangedError(
        f"{fsdecode(member.name)} changed while it was read: expected {member.size_bytes} bytes, found {found}"
    )
