"""Archives told from build files by how they begin, as BuildKit does: a build context is one or the other."""

from __future__ import annotations

__all__ = ["HEAD_BYTES", "is_packed"]

HEAD_BYTES = 1024  # enough to tell
_MAGIC = (b"BZh", b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")  # bzip2, gzip, xz; and zstd, beyond BuildKit
_BLOCK = 512
_SUM = slice(148, 156)  # POSIX.1-2008 pax, "ustar Interchange Format"


def is_packed(head: bytes) -> bool:
    """Whether what begins so is compressed, or a tar."""
    return head.startswith(_MAGIC) or _is_tar(head[:_BLOCK])


def _is_tar(block: bytes) -> bool:
    """The checksum of a header counts its own place as blanks."""
    written = block[_SUM].strip(b"\0 ")
    if len(block) < _BLOCK or not written or written.strip(b"01234567"):
        return False
    return int(written, 8) == sum(block) - sum(block[_SUM]) + 8 * ord(" ")
