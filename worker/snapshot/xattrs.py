"""Extended attributes that go along with a file: which, and how they are read and given.

Kept: everything a file's owner or the image meant (user.*, security.capability, ACLs). Left out: overlayfs's
own bookkeeping, ours of owners (owners.py), and labels that the host's security policy put there.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ..overlay import OWN_PREFIXES
from ..owners import ATTRIBUTE, remembering

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["belongs", "own_xattrs", "set_xattrs"]

_REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOVERFLOW, errno.ENOTSUP})


def belongs(name: str) -> bool:
    """Whether the attribute is part of a file's content, in a layer and elsewhere."""
    if name.startswith("security."):
        return name == "security.capability"
    return not name.startswith(OWN_PREFIXES) and (name != ATTRIBUTE or not remembering())


def own_xattrs(place: str | int) -> dict[str, bytes]:
    """The attributes of a file or folder, by name. Links have none that matter."""
    follow = isinstance(place, int)
    try:
        names = os.listxattr(place, follow_symlinks=follow)
    except OSError:
        return {}
    if not names:
        return {}
    found = {}
    for name in sorted(filter(belongs, names)):
        try:
            found[name] = os.getxattr(place, name, follow_symlinks=follow)
        except OSError:
            continue  # listed but not readable for us (trusted.* in a user namespace)
    return found


def set_xattrs(place: str | int, xattrs: Mapping[str, bytes]) -> None:
    """Give a file these attributes, as far as we may and the file system can."""
    for name, value in xattrs.items():
        try:
            os.setxattr(place, name, value)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
