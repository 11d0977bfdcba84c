"""SPDX expressions of the licenses that packages name, where these are words that SPDX has.

Spec: SPDX 2.3, annex D; the list of licenses is that of packaging (PEP 639). Debian's names: its copyright format 1.0.
"""

from __future__ import annotations

import re

__all__ = ["spdx_expression"]

_LONGEST = 500  # characters of an expression
_NAME = re.compile(r"[A-Za-z0-9.+-]+")
_GNU = re.compile(r"(GPL|LGPL|AGPL|GFDL|GFDL-NIV)-(\d)(\.\d)?(\+)?")
_DEBIAN = {"expat": "MIT", "apache-2": "Apache-2.0", "artistic": "Artistic-1.0", "artistic-2": "Artistic-2.0"}


def spdx_expression(words: str) -> str:
    """The expression that `words` are, in Debian's names or in SPDX's own; "" when they are none."""
    if not words or len(words) > _LONGEST:
        return ""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression  # 20 ms

    try:
        found = str(canonicalize_license_expression(_NAME.sub(_from_debian, words)))
    except InvalidLicenseExpression:
        return ""
    return "" if "LicenseRef-" in found else found  # whose text would have to be shown


def _from_debian(name: re.Match[str]) -> str:
    gnu = _GNU.fullmatch(name[0])
    if gnu is None:
        return _DEBIAN.get(name[0].lower(), name[0])
    family, major, minor, later = gnu.groups()
    middle = "-no-invariants" if family == "GFDL-NIV" else ""
    return f"{family.removesuffix('-NIV')}-{major}{minor or '.0'}{middle}-{'or-later' if later else 'only'}"
