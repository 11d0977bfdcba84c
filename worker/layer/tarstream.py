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

__all__ = ["TarStream"]

_CHUNK_BYTES = 1 << 20


class TarStream:
    """Writes an archive through `write`. Whole contents are never held."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def add(self, member: Member) -> None:
        """A member without content."""
        self._write(encode_member(member))

    def add_file(self, member: Member, read: Callable[[int], bytes]) -> None:
        """A file; `read(n)` gives its next bytes, at most n, and b"" at its end.

        Raises StoreError when that is not as much as the member says: the header is out by then.
        """
        self._write(encode_member(member))
        remaining = member.size_bytes
        while True:
            # One more than is left, so that a file that grew shows it without a read of its own.
            chunk = read(_CHUNK_BYTES if remaining > _CHUNK_BYTES else remaining + 1)
            if len(chunk) > remaining:
                raise _changed(member, "more")
            self._write(chunk)
            remaining -= len(chunk)
            if not remaining:
                break
            if not chunk:
                raise _changed(member, f"{member.size_bytes - remaining}")
        if pad := padding(member.size_bytes):
            self._write(pad)

    def end(self) -> None:
        self._write(END_OF_ARCHIVE)


def _changed(member: Member, found: str) -> StoreError:
    return StoreError(
        f"{fsdecode(member.name)} changed while it was read: expected {member.size_bytes} bytes, found {found}"
    )
