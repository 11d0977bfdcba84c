"""URLs as they may be shown: without the passwords and tokens that some hold."""

from __future__ import annotations

import re

__all__ = ["redacted"]

_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#@]*(?:@[^/?#@]*)*)@")


def redacted(url: str) -> str:
    """The URL with its user and password made unreadable. The user of ssh is no secret."""
    found = _USER.match(url)
    if found is None:
        return url
    user, colon, _ = found[2].partition(":")
    if found[1] not in ("ssh://", "git://"):
        user = "xxxxx"
    return f"{found[1]}{user}{':xxxxx' if colon else ''}@{url[found.end() :]}"
