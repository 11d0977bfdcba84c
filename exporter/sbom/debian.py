"""Packages of dpkg: Debian, Ubuntu and others, and images without a package manager that keep its records.

Formats: dpkg's status file (deb822(5), dpkg-query(1)), and `status.d`, a file for each package (distroless).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..attest import package_url
from .contract import Package
from .debian_copyright import debian_licenses
from .distro import find_distro
from .stanzas import stanzas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .distro import Distro
    from .files import ImageFiles

__all__ = ["scan_debian"]

_STATUS = "var/lib/dpkg/status"
_PARTS = "var/lib/dpkg/status.d"
_FIELDS = frozenset({"Package", "Status", "Version", "Architecture", "Source", "Maintainer"})
_MOST_BYTES = 64 << 20
_MOST_PART_BYTES = 1 << 20
_SUMS = (".md5sums", ".preinst", ".postinst", ".list")  # what lies beside the records in some images


def scan_debian(files: ImageFiles) -> Iterator[Package]:
    """What is installed, with configuration files alone counting as removed."""
    distro = find_distro(files)
    for fields in stanzas(files.lines(_STATUS, most_bytes=_MOST_BYTES), _FIELDS):
        if fields.get("Status", "").split(" ")[-1] == "installed":
            yield from _package(fields, distro, _STATUS, files)
    for name in files.names(_PARTS):
        if not name.endswith(_SUMS):
            path = f"{_PARTS}/{name}"
            for fields in stanzas(files.lines(path, most_bytes=_MOST_PART_BYTES), _FIELDS):
                yield from _package(fields, distro, path, files)


def _package(fields: dict[str, str], distro: Distro, path: str, files: ImageFiles) -> Iterator[Package]:
    name, version, arch = fields.get("Package", ""), fields.get("Version", ""), fields.get("Architecture", "")
    if not name or not version:
        return
    source, _, of = fields.get("Source", "").partition(" ")
    upstream = source + (f"@{of.strip('()')}" if of else "")
    qualifiers = {"arch": arch, "distro": distro.name, "upstream": upstream}
    yield Package(
        name=name,
        version=version,
        purl=package_url("deb", distro.id or "debian", name, version, qualifiers),
        found_in=path,
        licenses=debian_licenses(files, name),
        maintainer=fields.get("Maintainer", ""),
    )
