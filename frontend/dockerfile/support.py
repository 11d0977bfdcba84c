"""What compiles but cannot be run yet: refused at its place instead of being ignored.

To let a feature through, take its line out; the ops it makes are BuildKit's already.
"""

from __future__ import annotations

__all__ = ["NOT_YET"]

NOT_YET = frozenset(
    {
        "ADD --checksum",
        "ADD --exclude",
        "ADD --keep-git-dir",
        "ADD --link",
        "ADD --unpack",
        "ADD of a URL",
        "ADD of a git repository",
        "COPY --exclude",
        "COPY --link",
        "COPY --parents",
        "RUN --device",
        "RUN --mount=type=bind",
        "RUN --mount=type=cache",
        "RUN --mount=type=secret",
        "RUN --mount=type=ssh",
        "RUN --mount=type=tmpfs",
        "RUN --network",
        "RUN --security=insecure",
        "SOURCE_DATE_EPOCH from a context or stage",
        "a build context from a URL",
        "a git build context",
        "a symbolic --chmod on ADD",
        "a symbolic --chmod on COPY",
    }
)
