"""Layers that sources make: a downloaded file, a checkout."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from ...digest import Digest
from ...errors import SourceError, StoreError
from ..records import LayerRecord, now
from ..snapshot import LayerId, set_owner
from ..uses import HTTP_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..records import LayerRecords
    from ..snapshot import ActiveLayer, LayerStore
    from ..uses import UseRecords
    from .http_file import HttpFile

__all__ = ["FileLayer", "LayerMaker"]


class LayerMaker:
    """Makes layers and writes down that they are there."""

    def __init__(self, layers: LayerStore, records: LayerRecords, uses: UseRecords) -> None:
        self.uses = uses
        self._layers = layers
        self._records = records

    def has(self, layer: str) -> bool:
        return self._layers.has(LayerId(layer))

    def path(self, layer: str) -> str:
        """Where the files of a layer that is here lie."""
        return self._layers.folder(LayerId(layer))

    @contextlib.contextmanager
    def begin(self, *, work: bool = False) -> Iterator[ActiveLayer]:
        """A new layer, to be filled and `keep`t; dropped otherwise. work: with a folder beside it for what must not
        stay.
        """
        active = self._layers.begin(mounted=work)
        try:
            yield active
        finally:
            self._layers.discard(active)

    def keep(self, active: ActiveLayer, kind: str, title: str) -> LayerId:
        """Commit the layer as it is now. kind: what made it, as `uses.py` says; title: from where, for people.

        Raises StoreError.
        """
        layer = self._layers.commit(active)
        self.uses.note(kind, [(layer, title)])
        self._records.put(LayerRecord(id=layer, created=now()))
        return layer


class FileLayer:
    """One file that grows in a layer of its own. Synchronous; its calls may come from several threads in turn.

    growing.open()
    try:
        growing.write(data)
        digest, layer = growing.commit(modified=0)
    finally:
        growing.close()
    """

    def __init__(self, maker: LayerMaker, file: HttpFile, name: str) -> None:
        self.name = name
        self.size_bytes = 0
        self._maker = maker
        self._file = file
        self._hasher = hashlib.new(file.checksum.algorithm if file.checksum is not None else "sha256")
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        """Raises SourceError when nothing can have that name, StoreError when the disk refuses."""
        self._active = self._stack.enter_context(self._maker.begin())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(f"{self._active.fs}/{self.name}", flags, 0o600)
        except OSError as error:
            self._stack.close()
            url = self._file.shown
            raise SourceError(f"{url}: no file can be called {self.name!r}: {error.strerror}", ref=url) from None
        self._stack.callback(os.close, self._fd)

    def close(self) -> None:
        """Drops the layer, unless it was committed."""
        self._stack.close()

    def write(self, data: bytes) -> None:
        """Add all of `data`. Raises StoreError when the disk refuses."""
        self._hasher.update(data)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            hint = "free some space, or keep the state elsewhere with --root DIR"
            raise StoreError(f"cannot keep {self._file.shown}: {error.strerror}", hint=hint) from None
        self.size_bytes += len(data)

    def commit(self, modified: int) -> tuple[Digest, LayerId]:
        """The digest of what was written, and the layer. modified: the file's time, in seconds since 1970.

        Raises SourceError, and keeps nothing, when the digest is not the one that was asked for.
        """
        digest = Digest(f"{self._hasher.name}:{self._hasher.hexdigest()}")
        expected = self._file.checksum
        if expected is not None and expected != digest:
            url = self._file.shown
            raise SourceError(
                f"{url}: the file is not what its checksum says: expected {expected}, found {digest}",
                ref=url,
                hint=self._file.advice,
            )
        set_owner(self._fd, (self._file.uid, self._file.gid))
        os.fchmod(self._fd, self._file.mode)
        times = (modified * 10**9, modified * 10**9)
        os.utime(self._fd, ns=times)
        os.utime(self._active.fs, ns=times)
        return digest, self._maker.keep(self._active, HTTP_FILE, self._file.shown)
