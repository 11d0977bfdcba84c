"""Names as archives have them, made into paths that stay below a root."""

from __future__ import annotations

from os import fsdecode

from ...errors import CorruptError

__all__ = ["clean_name"]


def clean_name(name: bytes) -> bytes:
    """The path below the root that a member's name means; b"" for the root itself.

    Leading slashes and `.` are dropped and `..` resolved by the text, as Docker and containerd do.
    Raises CorruptError for a name that leads out of the root.
    """
    if name[:1] not in b"./" and b"/." not in name and b"//" not in name:
        return name
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise CorruptError(
                    f"the archive has a name that leads out of it: {fsdecode(name)}",
                    expected="names below the root",
                    actual=fsdecode(name),
                )
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)
