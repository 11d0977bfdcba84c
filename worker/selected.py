"""Which files of a client's folder a build asks for: BuildKit's `includepattern` and `followpaths` as ignore lines.

Include patterns always count. Followed paths, which a frontend puts there for all that its steps read, count where a
step takes a folder whole; what is read by its path is there or not, whatever else would be. Of links on the way to a
followed path both the link and what it points at belong to it.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from ..patterns import has_wildcards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..llb import FileCopy

__all__ = ["including", "takes_all", "with_links"]

_MOST_LINKS = 255  # on the way to one path


def takes_all(copies: Iterable[FileCopy]) -> bool:
    """Whether one of these copies begins at the root."""
    return any(copy.src.strip("/") in ("", ".") for copy in copies)


def including(patterns: Sequence[str], excludes: Sequence[str]) -> tuple[str, ...]:
    """Lines that leave out all but what the patterns match, and of that what `excludes` do; no patterns: everything."""
    return ("**", *(f"!{pattern}" for pattern in patterns), *excludes) if patterns else tuple(excludes)


def with_links(folder: str, paths: Iterable[str]) -> list[str]:
    """Patterns for the paths, relative to `folder`, and for what links on the way point at; never out of the folder."""
    found: dict[str, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_followed(folder, path)))
    return list(found)


def _followed(folder: str, path: str) -> Iterator[str]:
    for _ in range(_MOST_LINKS):
        parts = _parts(path)
        link = _first_link(folder, parts)
        if link is None:
            yield "/".join(parts) or "**"
            return
        at, target = link
        yield "/".join([_literal(part) for part in parts[: at + 1]])
        base = "" if target.startswith("/") else "/".join(parts[:at])
        path = posixpath.join(base, target.lstrip("/"), *parts[at + 1 :])


def _first_link(folder: str, parts: Sequence[str]) -> tuple[int, str] | None:
    """Which part is a link, and what it says; a pattern ends the search."""
    for at, part in enumerate(parts):
        if has_wildcards(part):
            return None
        try:
            return at, os.readlink(os.path.join(folder, *parts[: at + 1]))
        except OSError:
            continue
    return None


def _parts(path: str) -> list[str]:
    """Cleaned; `..` stops at the folder."""
    return [part for part in posixpath.normpath("/" + path).split("/") if part]


def _literal(name: str) -> str:
    return re.sub(r"([*?\[\]\\!#])", r"\\\1", name)
