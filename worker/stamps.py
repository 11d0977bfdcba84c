"""What the stamps of blobs say (`ContentStore.stamp`); apart from the store, which a cached build does not need."""

from __future__ import annotations

__all__ = ["same_bytes"]

_STAMP_PARTS = 5  # boot, inode, mtime, ctime, links


def same_bytes(before: str, stamp: str) -> bool:
    """Whether a blob with the second stamp is what it was with the first.

    An OCI folder that was exported has hard links to blobs. Making and deleting one moves the ctime, and the number of
    links with it, but not the mtime, as writing does.
    """
    if before == stamp:
        return True
    then, now = before.split(), stamp.split()
    return len(then) == len(now) == _STAMP_PARTS and then[:3] == now[:3] and then[4] != now[4]
