"""`http://` and `https://` sources: what is asked for, what its file is called, what it stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ...digest import Digest, blake3_bytes
from ...errors import SourceError
from ...llb import redacted
from ...llb.codec import pack
from ...values import frozen
from .pins import SourceName

if TYPE_CHECKING:
    from ...llb import SourceOp

__all__ = ["HttpFile", "parse_http"]

_FORM = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+")
_MODE = 0o600  # BuildKit's
_HEADERS = frozenset({"accept", "user-agent"})  # what a build may choose, as in BuildKit
_LARGEST_ID = 0xFFFFFFFE


@frozen
class HttpFile:
    """A file behind a URL, and how it is to lie on the disk."""

    url: str
    filename: str = ""  # "": as the server or the URL says
    checksum: Digest | None = None
    mode: int = _MODE
    uid: int = 0
    gid: int = 0
    auth_secret: str = ""  # the name of the secret that is the Authorization header; "" is "as usual for the host"
    headers: tuple[tuple[str, str], ...] = ()
    advice: str = "if the file was meant to change, change the checksum"  # for when it is another

    @property
    def source_name(self) -> SourceName:
        """What may be another file tomorrow."""
        return SourceName("http", self.shown)

    @property
    def shown(self) -> str:
        """The URL for people."""
        return redacted(self.url)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def request_key(self) -> bytes:
        """What the same request again has in common with this one, and the file it becomes."""
        lying = [self.filename, self.mode, self.uid, self.gid]
        return blake3_bytes(pack([self.url, lying, self.auth_secret, [list(header) for header in self.headers]]))

    def key_of(self, digest: Digest) -> bytes:
        """What is asked for is this very file."""
        return blake3_bytes(pack([self.request_key, digest]))

    def name(self, disposition: str = "") -> str:
        """What the file is called. disposition: the Content-Disposition header of the answer."""
        return _safe(self.filename or _disposed(disposition) or _last_part(self.url))

    def resolved(self, digest: Digest, *, name: str, modified: int | None = None) -> str:
        """What the source stands for: equal files from different places are the same.

        modified: seconds since 1970, where the file is to be as old as the server says.
        """
        words = f"file@{digest} as {name!r} {self.mode:o} {self.uid}:{self.gid}"
        return words if modified is None else f"{words} of {modified}"


def parse_http(op: SourceOp) -> HttpFile:
    """Raises SourceError for an attribute with a malformed value."""
    shown = redacted(op.identifier)
    try:
        host = urlsplit(op.identifier).hostname
    except ValueError:
        host = ""
    if not host or not op.identifier.isprintable():
        raise SourceError(f"{shown!r} is no URL of a file", ref=shown)
    checksum = op.attr("http.checksum")
    if checksum is not None and not _FORM.fullmatch(checksum):
        raise _wrong(op, "http.checksum", checksum, "algorithm:hex, of sha256, sha384 or sha512")
    headers = {}
    for key, value in op.attrs:
        name = key.removeprefix("http.header.").lower()
        if key.startswith("http.header.") and name in _HEADERS:
            headers[name] = value
    return HttpFile(
        url=op.identifier,
        filename=op.attr("http.filename") or "",
        checksum=Digest(checksum) if checksum is not None else None,
        mode=_number(op, "http.perm", 0o7777) or _MODE,
        uid=_number(op, "http.uid", _LARGEST_ID),
        gid=_number(op, "http.gid", _LARGEST_ID),
        auth_secret=op.attr("http.authheadersecret") or "",
        headers=tuple(sorted(headers.items())),
    )


def _number(op: SourceOp, key: str, most: int) -> int:
    """As Go reads one: 0600 and 0o600 are octal."""
    text = op.attr(key)
    if text is None:
        return 0
    octal = len(text) > 1 and text[0] == "0" and text[1].isdecimal()
    number = int(text, 8 if octal else 0) if _NUMBER.fullmatch(text) and not (octal and set(text) & set("89")) else -1
    if not 0 <= number <= most:
        raise _wrong(op, key, text, f"a number up to {most}")
    return number


def _wrong(op: SourceOp, key: str, value: str, expected: str) -> SourceError:
    url = redacted(op.identifier)
    return SourceError(f"{key} of {url} is {value!r}; expected {expected}", ref=url)


def _disposed(header: str) -> str:
    """The file name that a Content-Disposition header gives, if any."""
    if not header:
        return ""
    from email.message import Message  # knows all of RFC 2231 and RFC 5987; few builds need it

    message = Message()
    message["content-disposition"] = header
    try:
        name = message.get_filename("")
    except (UnicodeError, LookupError, ValueError):
        return ""
    return "" if name.endswith("/") else name


def _last_part(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]


def _safe(name: str) -> str:
    """The name's last part; `download` for one that names nothing. It never leads out of its folder."""
    name = name.strip().rstrip("/").rpartition("/")[2]
    return name if name not in ("", ".", "..") and all(map(str.isprintable, name)) else "download"
