"""npm packages in folders called node_modules. Format: docs.npmjs.com, package.json."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ..attest import package_url
from .contract import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .files import ImageFiles

__all__ = ["scan_npm"]

_PACKAGE = re.compile(r"(?:^|/)node_modules/(?:@[^/]+/)?[^/@.][^/]*/package\.json$")
_MOST_BYTES = 1 << 20


def scan_npm(files: ImageFiles) -> Iterator[Package]:
    """What is installed, each version that is there."""
    for file in files.all():
        if not _PACKAGE.search(file.path):
            continue
        document = _document(files, file.path)
        name, version = document.get("name"), document.get("version")
        if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
            continue
        scope, _, last = name.rpartition("/")
        yield Package(
            name=name,
            version=version,
            purl=package_url("npm", scope, last, version),
            found_in=file.path,
            licenses=_words(document.get("license"), "type"),
            maintainer=_words(document.get("author"), "name"),
        )


def _document(files: ImageFiles, path: str) -> dict[str, Any]:
    data = files.read(path, most_bytes=_MOST_BYTES)
    if data is None:
        return {}
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        files.note(f"/{path} was not read: it is no JSON")
        return {}
    return document if isinstance(document, dict) else {}


def _words(value: object, key: str) -> str:
    """A text, or the one that an object has under `key`."""
    if isinstance(value, dict):
        value = value.get(key)
    return value if isinstance(value, str) else ""
