"""URLs as Go's net/url takes them apart: what it refuses is no URL, and BuildKit then sees a path."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

__all__ = ["Url", "split_url"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_BAD_HOST = re.compile(r"[\x00-\x20#/?@\\^`{|}\x7f]")
_PORT = re.compile(r"(?::[0-9]*)?")


class Url:
    """The parts; `path` and `fragment` are unescaped, `query` is not, `bare` is the whole without the last two."""

    __slots__ = ("bare", "fragment", "host", "path", "query", "scheme")

    def __init__(self, scheme: str, authority: str, path: str, query: str, fragment: str) -> None:
        self.scheme = scheme
        self.host = authority.rpartition("@")[2]
        self.path = unquote(path)
        self.query = query
        self.fragment = unquote(fragment)
        # Go writes anew what it would not have written so itself; a lone "?" at the end it keeps.
        written = path if path.isascii() else quote(self.path, safe="/$&+,:;=@")
        self.bare = f"{scheme}://{authority}{written}"


def split_url(text: str) -> Url | None:
    """None when it is no absolute URL with an authority."""
    match = _SCHEME.match(text)
    if match is None or _CONTROL.search(text):
        return None
    rest, _, fragment = text[match.end() :].partition("#")
    lone_mark = rest.endswith("?") and rest.count("?") == 1
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    path = slash + path
    user, at, host = authority.rpartition("@")
    if at and not _USER.fullmatch(user):
        return None
    port = host.rpartition("]")[2] if host.startswith("[") else host[host.rfind(":") :] if ":" in host else ""
    if _BAD_HOST.search(host) or not _PORT.fullmatch(port) or any(map(_BAD_ESCAPE.search, (host, path, fragment))):
        return None
    url = Url(match[1].lower(), authority, path, query, fragment)
    if lone_mark:
        url.bare += "?"
    return url
