"""What compiles but cannot be run yet: refused at its place instead of being ignored.

To let a feature through, take its line out; the ops it makes are BuildKit's already.
"""

from __future__ import annotations

__all__ = ["NOT_YET"]

NOT_YET = frozenset(
    {
        "RUN --device",
    }
)
