"""URLs as they may be shown: without the passwords and tokens that some hold."""

from __future__ import annotations

__all__ = ["redacted"]

_HIDDEN = "xxxxx"


def redacted(url: str) -> str:
    """The URL with its user and password made unreadable. The user of ssh is no secret."""
    scheme, mark, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    user, at, host = rest[:end].rpartition("@")
    if not (mark and at):
        return url
    name, colon, _ = user.partition(":")
    if scheme.lower() not in ("ssh", "git"):
        name = _HIDDEN
    return f"{scheme}://{name}{colon and ':' + _HIDDEN}@{host}{rest[end:]}"
