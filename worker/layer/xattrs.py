"""Extended attributes as members of an archive have them, and how to reach those of a symbolic link.

Which ones belong to a layer is for `snapshot/xattrs.py` to say.
"""

from __future__ import annotations

import errno
import os

from ..snapshot import belongs

__all__ = ["by_folder", "link_xattrs", "read_xattrs"]

_ABSENT = {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES}


def read_xattrs(file: int | bytes, *, follow: bool = True) -> tuple[tuple[bytes, bytes], ...]:
    """Those of an open file that belong to the layer, sorted."""
    try:
        names = os.listxattr(file, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return ()
        raise
    if not names:
        return ()
    found: list[tuple[bytes, bytes]] = []
    for name in sorted(filter(belongs, names)):
        try:
            found.append((os.fsencode(name), os.getxattr(file, name, follow_symlinks=follow)))
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return tuple(found)


def link_xattrs(parent: int, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Those of a symbolic link or special file, which must not be opened."""
    return read_xattrs(by_folder(parent, name), follow=False)


def by_folder(parent: int, name: bytes) -> bytes:
    """A path to what must not be opened: Python has no setxattrat. The first part leads to the very folder."""
    return b"/proc/self/fd/%d/%b" % (parent, name)
