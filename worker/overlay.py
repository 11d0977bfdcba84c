"""The marks of overlayfs in a layer's folder: what is deleted, what hides all below it, what is its own bookkeeping.

Source: kernel.org/doc/html/latest/filesystems/overlayfs.html, "whiteouts and opaque directories".
"""

from __future__ import annotations

import stat

TYPE_CHECKING = False  # typing is not loaded in the sandbox's helper
if TYPE_CHECKING:
    import os
    from typing import Final

__all__ = ["OPAQUE", "OWN_PREFIXES", "is_whiteout"]

OPAQUE: Final = {False: "trusted.overlay.opaque", True: "user.overlay.opaque"}  # by `userxattr`
OWN_PREFIXES: Final = ("trusted.overlay.", "user.overlay.")


def is_whiteout(found: os.stat_result) -> bool:
    """A deletion: a character device 0/0."""
    return found.st_rdev == 0 and stat.S_ISCHR(found.st_mode)
