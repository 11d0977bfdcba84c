"""The bytes of a tar out of a perhaps compressed stream, with their sha256 on the way.

As with writing, small streams are read in the caller's thread; from a few MiB on, decompressing and hashing
run beside the creation of files.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from ...digest import Digest
from .decompress import iter_decompressed

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO

    from .pipeline import Prefetch, Stage

__all__ = ["TarSource"]

_THREADS_FROM_BYTES = 4 << 20


class TarSource:
    """An iterator of chunks. A context manager: leaving it ends its threads."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.size_bytes = 0
        self._chunks = iter_decompressed(stream)
        self._hash = hashlib.sha256()
        self._ahead: Prefetch[bytes] | None = None
        self._hashing: Stage[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in (self._ahead, self._hashing):
            if worker is not None:
                worker.abandon()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._hashing is None:
            chunk = next(self._chunks)
            self._hash.update(chunk)
        else:
            chunk = next(self._ahead or self._chunks)
            self._hashing.put(chunk)
        self.size_bytes += len(chunk)
        if self._hashing is None and self.size_bytes >= _THREADS_FROM_BYTES:
            self._start_threads()
        return chunk

    def _start_threads(self) -> None:
        from .pipeline import Prefetch, Stage

        self._hashing = Stage(self._hash.update, name="layer-hash")
        self._ahead = Prefetch(self._chunks, name="layer-unzip")

    def finish(self) -> Digest:
        """The sha256 of the whole tar: what follows its end mark counts too."""
        for _ in self:
            pass
        if self._hashing is not None:
            self._hashing.join()
        return Digest("sha256:" + self._hash.hexdigest())
