"""What rpm's databases say is installed: Fedora, RHEL, SUSE, Amazon Linux and others, of all their ages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...attest import package_url
from ..contract import Package
from ..distro import find_distro
from .berkeley import berkeley_headers
from .header import Tag, parse_header
from .ndb import ndb_headers
from .pages import BadDatabaseError
from .sqlite import sqlite_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..distro import Distro
    from ..files import ImageFiles

__all__ = ["scan_rpm"]

_FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_SQLITE = "rpmdb.sqlite"
# The newest first: rpm converts a database into a newer kind, and may leave the old one where it was.
_READERS = {_SQLITE: sqlite_headers, "Packages.db": ndb_headers, "Packages": berkeley_headers}
_MOST_BYTES = 256 << 20
_KEY = "gpg-pubkey"  # a key that rpm keeps as if it were a package


def scan_rpm(files: ImageFiles) -> Iterator[Package]:
    """What is installed."""
    distro = find_distro(files)
    seen: set[tuple[int, int]] = set()  # of folders one is mostly a link to another
    for folder in _FOLDERS:
        names = files.names(folder)
        name = next((name for name in _READERS if name in names), "")
        if name:
            yield from _scan_database(files, f"{folder}/{name}", name, distro, seen)


def _scan_database(
    files: ImageFiles, path: str, name: str, distro: Distro, seen: set[tuple[int, int]]
) -> Iterator[Package]:
    file = files.open(path, most_bytes=_MOST_BYTES)
    if file is None:
        return
    with file:
        found = os.fstat(file.fileno())
        if (found.st_dev, found.st_ino) in seen:
            return
        seen.add((found.st_dev, found.st_ino))
        if name == _SQLITE:
            _note_log(files, f"{path}-wal")
        try:
            for header in _READERS[name](file):
                yield from _package(parse_header(header), distro, path)
        except BadDatabaseError as error:
            files.note(f"/{path} cannot be read whole: {error}")


def _note_log(files: ImageFiles, path: str) -> None:
    log = files.open(path, most_bytes=_MOST_BYTES)
    if log is not None:
        with log:
            if log.read(1):
                files.note(f"/{path} was not read: rpm did not close its database")


def _package(said: dict[int, str], distro: Distro, path: str) -> Iterator[Package]:
    name, version, release = (said.get(tag, "") for tag in (Tag.NAME, Tag.VERSION, Tag.RELEASE))
    if not name or not version or name == _KEY:
        return
    full, epoch = (f"{version}-{release}" if release else version), said.get(Tag.EPOCH, "")
    qualifiers = {
        "arch": said.get(Tag.ARCH, ""),
        "epoch": epoch,
        "distro": distro.name,
        "upstream": said.get(Tag.SOURCE, ""),
    }
    yield Package(
        name=name,
        version=f"{epoch}:{full}" if epoch else full,
        purl=package_url("rpm", distro.id, name, full, qualifiers),
        found_in=path,
        licenses=said.get(Tag.LICENSE, ""),
        maintainer=said.get(Tag.VENDOR, ""),
    )
