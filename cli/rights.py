"""`--allow`: what steps may ask for, and folders outside this one that an output may clear."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..solver import ENTITLEMENTS
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .outputs import Output

__all__ = ["check_deletions", "read_rights"]

_WRITE = "fs.write"  # as buildx calls it
_ANYWHERE = "*"


def read_rights(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entitlements, and folders that may be written as a whole; "*": every one. Raises UsageError."""
    allowed: dict[str, None] = {}
    folders: dict[str, None] = {}
    for word in (word.strip() for text in texts for word in text.split(",")):
        key, equals, path = word.partition("=")
        if key == _WRITE and equals and path:
            folders[path if path == _ANYWHERE else os.path.realpath(path)] = None
        elif word in ENTITLEMENTS:
            allowed[word] = None
        else:
            known = (*ENTITLEMENTS, f"{_WRITE}=DIR")
            raise UsageError(f"--allow {word!r}{suggestion(word, known)}: expected {', '.join(known)}")
    return tuple(allowed), tuple(folders)


def check_deletions(outputs: Iterable[Output], folders: Collection[str]) -> None:
    """Raises UsageError for a folder that would be cleared, is not below this one, and was not allowed."""
    here = os.path.realpath(".")
    for output in outputs:
        place = os.path.realpath(output.dest) if output.deletes else ""
        if not place or not _holds_files(place) or _is_below(place, here) or _ANYWHERE in folders:
            continue
        if not any(place == folder or _is_below(place, folder) for folder in folders):
            raise UsageError(
                f"mode=delete would remove what else is in {place}, which is not below this folder",
                hint=f"if that is meant: --allow {_WRITE}={place}",
            )


def _is_below(place: str, folder: str) -> bool:
    return place != folder and os.path.commonpath((place, folder)) == folder


def _holds_files(place: str) -> bool:
    try:
        with os.scandir(place) as scan:
            return next(scan, None) is not None
    except OSError:  # what is wrong with it is said when it is written
        return False
