"""What this machine lets llbuild do: found by trying, for `llbuild info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .finding import Finding as Finding
    from .finding import Level as Level
    from .findings import find_all as find_all

_HOME = {"Finding": "finding", "Level": "finding", "find_all": "findings"}

__all__ = ["Finding", "Level", "find_all"]

__getattr__ = lazy_face(__name__, _HOME)
