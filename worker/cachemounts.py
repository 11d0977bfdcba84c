"""The folders behind `RUN --mount=type=cache`: one per id, kept between builds, shared by whoever names it."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ..errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from .uses import UseRecords

__all__ = ["CACHE_MOUNT", "CacheMounts"]

CACHE_MOUNT: Final = "exec.cachemount"


class CacheMounts:
    """The cache mounts of a state folder. Each is noted as used before it is handed out, so nobody cleans it up."""

    def __init__(self, folder: Path, uses: UseRecords) -> None:
        self._folder = folder
        self._uses = uses

    def folder(self, mount_id: str) -> str:
        """Where the mount of that id lies; an empty folder when it is new. Raises StoreError."""
        name = sha256(mount_id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._uses.note(CACHE_MOUNT, [(name, mount_id)])
        path = f"{os.fspath(self._folder)}/{name}"
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the cache mount {mount_id!r}: {error.strerror}") from None
        return path
