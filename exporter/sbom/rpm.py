"""Packages of rpm: Fedora, RHEL and others, since they keep their records in SQLite (rpm 4.16).

The older Berkeley DB and SUSE's ndb are not read, and that is noted. Formats: rpm.org, "RPM file format", header
structure; the table is `Packages(hnum, blob)`, a header without its magic in each row.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

from ..attest import package_url
from .contract import Package
from .distro import find_distro

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from .distro import Distro
    from .files import ImageFiles

__all__ = ["parse_header", "scan_rpm"]

_FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_DATABASE = "rpmdb.sqlite"
_UNREAD = {"Packages": "a Berkeley DB", "Packages.db": "an ndb database"}
_MOST_BYTES = 256 << 20
_MOST_HEADER_BYTES = 16 << 20
_MOST_ENTRIES = 64 << 10
_MOST_STEPS = 200_000_000  # instructions of SQLite's machine: far beyond any real database
_STEPS_AT_ONCE = 1_000_000
_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENSE, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1011, 1014, 1022, 1044
_TAGS = frozenset({_NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENSE, _ARCH, _SOURCE})
_INT32, _STRING, _I18NSTRING = 4, 6, 9
_KEY = "gpg-pubkey"  # a key that rpm keeps as if it were a package


def scan_rpm(files: ImageFiles) -> Iterator[Package]:
    """What is installed."""
    distro = find_distro(files)
    for folder in _FOLDERS:
        names = files.names(folder)
        for name, kind in _UNREAD.items():
            if name in names:
                files.note(f"/{folder}/{name} was not read: it is {kind}, as older rpm keeps its records")
        if _DATABASE not in names:
            continue
        path = f"{folder}/{_DATABASE}"
        log = files.open(f"{path}-wal", most_bytes=_MOST_BYTES)
        if log is not None:
            with log:
                if log.read(1):
                    files.note(f"/{path}-wal was not read: rpm did not close its database")
        file = files.open(path, most_bytes=_MOST_BYTES)
        if file is None:
            continue
        with file:
            try:
                for header in _headers(file):
                    yield from _package(parse_header(header), distro, path)
            except sqlite3.Error as error:
                files.note(f"/{path} cannot be read whole: {error}")


def _headers(file: BinaryIO) -> Iterator[bytes]:
    """Every record. The database is somebody else's: nothing in its schema may run, and nothing runs for ever."""
    place = f"file:/proc/self/fd/{file.fileno()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(place, uri=True)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_HEADER_BYTES)
        left = _MOST_STEPS // _STEPS_AT_ONCE

        def tick() -> int:
            nonlocal left
            left -= 1
            return int(left < 0)

        connection.set_progress_handler(tick, _STEPS_AT_ONCE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchall()
        if kinds != [("table",)]:
            return
        for (blob,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum"):
            if isinstance(blob, bytes):
                yield blob


def _package(said: dict[int, str], distro: Distro, path: str) -> Iterator[Package]:
    name, version, release = said.get(_NAME, ""), said.get(_VERSION, ""), said.get(_RELEASE, "")
    if not name or not version or name == _KEY:
        return
    full, epoch = (f"{version}-{release}" if release else version), said.get(_EPOCH, "")
    qualifiers = {"arch": said.get(_ARCH, ""), "epoch": epoch, "distro": distro.name, "upstream": said.get(_SOURCE, "")}
    yield Package(
        name=name,
        version=f"{epoch}:{full}" if epoch else full,
        purl=package_url("rpm", distro.id, name, full, qualifiers),
        found_in=path,
        licenses=said.get(_LICENSE, ""),
        maintainer=said.get(_VENDOR, ""),
    )


def parse_header(blob: bytes) -> dict[int, str]:
    """The tags that matter, as text; nothing of a header that is malformed."""
    if len(blob) < 8:
        return {}
    count, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * count
    if count > _MOST_ENTRIES or start + size > len(blob):
        return {}
    said: dict[int, str] = {}
    for tag, kind, offset, _ in struct.iter_unpack(">IIII", blob[8:start]):
        if tag not in _TAGS or offset >= size:
            continue
        at = start + offset
        if kind in {_STRING, _I18NSTRING}:
            end = blob.find(b"\0", at, start + size)
            said[tag] = blob[at : end if end >= 0 else start + size].decode("utf-8", "replace")
        elif kind == _INT32 and offset + 4 <= size:
            said[tag] = str(struct.unpack_from(">I", blob, at)[0])
    return said
