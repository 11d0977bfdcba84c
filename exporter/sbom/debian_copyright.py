"""What a Debian package says of its licenses, in `/usr/share/doc/NAME/copyright`.

Format: Debian, "Machine-readable debian/copyright file" 1.0. Older files are prose, which points at the texts of the
usual licenses: these are named, without what the prose says about them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .stanzas import stanzas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .files import ImageFiles

__all__ = ["debian_licenses"]

_MOST_BYTES = 4 << 20
_FIELDS = frozenset({"Files", "License"})
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_FORMAT = re.compile(r"Format(-Specification)?:.*(copyright-format|/dep5?|DEP-?5)", re.IGNORECASE)
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9])")


def debian_licenses(files: ImageFiles, package: str) -> str:
    """As an expression in Debian's names where the file is written for programs, else with commas; "" for nothing."""
    if not _PACKAGE.fullmatch(package):
        return ""
    lines = list(files.lines(f"usr/share/doc/{package}/copyright", most_bytes=_MOST_BYTES))
    if any(_FORMAT.match(line) for line in lines[:5]):
        return _stated(lines)
    return ", ".join(sorted({name for line in lines for name in _COMMON.findall(line)}))


def _stated(lines: Iterable[str]) -> str:
    about = (fields for fields in stanzas(lines, _FIELDS) if "Files" in fields)
    found = {
        fields.get("License", "") for fields in about if not fields["Files"].startswith("debian/")
    }  # in no package
    names = sorted(found - {""})
    return " AND ".join(f"({name})" if " " in name and len(names) > 1 else name for name in names)
