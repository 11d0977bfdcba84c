"""Python distributions, wherever they are installed. Formats: packaging.python.org, "Core metadata specifications"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..attest import package_url
from .contract import Package
from .stanzas import stanzas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import ImageFiles

__all__ = ["scan_python"]

_METADATA = re.compile(r"(?:^|/)[^/]+(?:\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info)$")
_FIELDS = frozenset({"Name", "Version", "License", "License-Expression", "Author", "Author-email"})
_MOST_BYTES = 4 << 20  # of which the head is read
_LONGEST_LICENSE = 200  # some put the whole text there


def scan_python(files: ImageFiles) -> Iterator[Package]:
    """What is installed, by its metadata."""
    for file in files.all():
        if not _METADATA.search(file.path):
            continue
        fields = next(stanzas(files.lines(file.path, most_bytes=_MOST_BYTES), _FIELDS), {})
        name, version = fields.get("Name", ""), fields.get("Version", "")
        if not name or not version:
            continue
        licenses = fields.get("License-Expression") or fields.get("License", "")
        yield Package(
            name=name,
            version=version,
            purl=package_url("pypi", "", re.sub(r"[-_.]+", "-", name).lower(), version),
            found_in=file.path,
            licenses=licenses if len(licenses) <= _LONGEST_LICENSE else "",
            maintainer=fields.get("Author") or fields.get("Author-email", ""),
        )
