"""What compiles but cannot be run yet: refused at its place instead of being ignored.

To let a feature through, take its line out; the ops it makes are BuildKit's already.
"""

from __future__ import annotations

__all__ = ["NOT_YET"]

NOT_YET = frozenset(
    {
        "COPY --parents",  # the worker does not demand that the paths exist
        "RUN --device",
        "RUN --mount=type=cache with an owner or mode",
        "RUN --mount=type=cache with contents (from, source)",
        "RUN --mount=type=cache,sharing=locked",
        "RUN --mount=type=cache,sharing=private",
        "RUN --mount=type=secret",
        "RUN --mount=type=ssh",
        "RUN --security=insecure",
        "a cgroup parent",
        "a limit of resources",
    }
)
