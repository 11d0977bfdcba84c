"""The lock file's text (docs/locking.md): TOML, an entry for each source, sorted, so that a change is a few lines.

    version = 1

    [[image]]
    name = "docker.io/library/alpine:3.20"
    platform = "linux/amd64"     # only where the name is no index, and so has but one
    digest = "sha256:…"

    [[git]]
    repository = "https://github.com/owner/name.git"
    ref = "v1.2"
    commit = "…"
    tag = "…"
    found = "refs/tags/v1.2"

    [[http]]
    url = "https://example.org/file.tar.gz"
    digest = "sha256:…"
    modified = 2024-05-06T07:08:09Z

An OCI layout in the lock file's own folder, or below it, is named relative to that: `oci-layout://./base`.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ...digest import parse_digest
from ...errors import SourceError, UsageError
from ...image import parse_reference
from ...platforms import parse_platform
from ...worker.source import Pin, SourceName
from ..config.table import Table, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["encode_lock", "parse_lock"]

VERSION = 1
_HEAD = """\
# What the sources of builds are held to. Written by llbuild: `llbuild lock` brings it up to date.
version = 1
"""
_LAYOUT = "oci-layout://"
_FIRST, _LAST = -62135596800, 253402300799  # the years 1 to 9999
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]|[\ud800-\udfff]')


def parse_lock(text: str, path: str) -> dict[SourceName, Pin]:
    """What sources are held to. path: of the file. Raises ConfigError saying where it is wrong."""
    top = read_table(text, path)
    version = top.number("version", 0, least=1)
    if version == 0:
        raise top.error("version", f"expected version = {VERSION} at the top: this is no lock file")
    if version > VERSION:
        raise top.error(
            "version",
            f"lock files of version {version} are not known here",
            f"known is version {VERSION}; update llbuild",
        )
    top.check(("version", "image", "git", "http"))
    found: dict[SourceName, Pin] = {}
    for kind, read in (("image", _image), ("git", _git), ("http", _http)):
        for table in top.tables(kind):
            name, pin = read(table, os.path.dirname(os.path.abspath(path)))
            if name in found:
                raise table.error("", f"{name} is here twice", "keep one of them, or let `llbuild lock` decide")
            found[name] = pin
    return found


def _image(table: Table, folder: str) -> tuple[SourceName, Pin]:
    table.check(("name", "platform", "digest"))
    name = table.needed("name", lambda text: _image_name(text, folder))
    platform = table.parsed("platform", lambda text: str(parse_platform(text)), "")
    return SourceName("image", name, platform=platform), Pin(digest=table.needed("digest", parse_digest))


def _image_name(text: str, folder: str) -> str:
    if text.startswith(_LAYOUT):
        return _LAYOUT + os.path.normpath(os.path.join(folder, text.removeprefix(_LAYOUT)))
    try:
        reference = parse_reference(text)
    except SourceError as error:
        raise UsageError(error.message, hint=error.hint) from None
    if reference.digest is not None:
        raise ValueError("expected a name without a digest: what has one needs no lock")
    return str(reference)


def _git(table: Table, folder: str) -> tuple[SourceName, Pin]:
    del folder
    table.check(("repository", "ref", "commit", "tag", "found"))
    name = SourceName("git", table.needed("repository", str), table.text("ref"))
    pin = Pin(
        digest=table.needed("commit", _commit),
        ref=table.text("found"),
        tag=table.parsed("tag", _commit, ""),
    )
    return name, pin


def _commit(text: str) -> str:
    if not _COMMIT.fullmatch(text):
        raise ValueError(f"expected all 40 or 64 hex digits of a commit, found {text!r}")
    return text


def _http(table: Table, folder: str) -> tuple[SourceName, Pin]:
    del folder
    table.check(("url", "digest", "filename", "modified"))
    modified = table.values.get("modified")
    if modified is not None and (not isinstance(modified, datetime) or modified.tzinfo is None):
        raise table.error("modified", "expected a time with its zone, as 2024-05-06T07:08:09Z")
    pin = Pin(
        digest=table.needed("digest", parse_digest),
        filename=table.text("filename"),
        modified_s=None if modified is None else _within_years(modified.timestamp()),
    )
    return SourceName("http", table.needed("url", str)), pin


def _within_years(seconds: float) -> int:
    """What can be written as a date: from the year 1 to 9999."""
    return max(_FIRST, min(_LAST, int(seconds)))


def encode_lock(pins: Mapping[SourceName, Pin], path: str) -> str:
    """The text of a lock file at `path`. Equal pins give equal texts."""
    folder = os.path.dirname(os.path.abspath(path))
    parts = [_HEAD]
    for kind in ("image", "git", "http"):
        entries = sorted(_fields(name, pin, folder) for name, pin in pins.items() if name.kind == kind)
        parts += [f"\n[[{kind}]]\n{''.join(_lines(fields))}" for fields in entries]
    return "".join(parts)


def _fields(name: SourceName, pin: Pin, folder: str) -> tuple[tuple[str, str], ...]:
    """Keys and values as TOML; those that say nothing are left out."""
    match name.kind:
        case "image":
            texts = {"name": _relative(name.name, folder), "platform": name.platform, "digest": pin.digest}
        case "git":
            texts = {"repository": name.name, "ref": name.ref, "commit": pin.digest, "tag": pin.tag, "found": pin.ref}
        case _:
            texts = {"url": name.name, "digest": pin.digest, "filename": pin.filename}
    fields = tuple((key, _quoted(text)) for key, text in texts.items() if text)
    if pin.modified_s is None:
        return fields
    modified = datetime.fromtimestamp(_within_years(pin.modified_s), UTC)
    return *fields, ("modified", modified.isoformat().replace("+00:00", "Z"))


def _lines(fields: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"{key} = {value}\n" for key, value in fields)


def _relative(name: str, folder: str) -> str:
    place = name.removeprefix(_LAYOUT)
    if place == name or not place.startswith(folder.rstrip("/") + "/"):
        return name
    return f"{_LAYOUT}./{os.path.relpath(place, folder)}"


def _quoted(text: str) -> str:
    """A basic string of TOML. What UTF-8 cannot hold cannot be in one, nor in a URL or a name that was fetched."""
    return (
        '"'
        + _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}" if found[0] not in '"\\' else "\\" + found[0], text)
        + '"'
    )
