"""Lock files: what the sources of builds are held to. `llbuild lock`, and `--lock` and `--locked` of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .command import run as run
    from .opening import Lock as Lock
    from .opening import lock_path as lock_path
    from .opening import open_lock as open_lock

_HOME = {"Lock": "opening", "lock_path": "opening", "open_lock": "opening", "run": "command"}
__all__ = ["Lock", "lock_path", "open_lock", "run"]

__getattr__ = lazy_face(__name__, _HOME)
