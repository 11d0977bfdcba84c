"""The one streaming pass from tar bytes to a blob: hash, compress, hash, hand on.

A small layer goes through in the caller's thread. From a few MiB on, each step runs in a thread of its own:
hashlib, ISA-L and zstandard release the GIL, so that hashing and compressing overlap.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

from ...digest import Digest
from .compression import new_compressor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TypeAlias

    from .compression import Compression
    from .pipeline import Stage

    Buffer: TypeAlias = bytes | bytearray | memoryview
    Sink: TypeAlias = Callable[[bytes | memoryview], object]

__all__ = ["BlobWriter"]

# Three threads cost about half a millisecond to start: a fifth of what this much data takes without them.
_THREADS_FROM_BYTES = 4 << 20


class _SinkError(Exception):
    """Carries the sink's own error past those who would take it for one of reading the files."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


class BlobWriter:
    """Takes a tar piece by piece and passes the blob to `sink`.

    A context manager: leaving it without `finish` ends its threads and throws away what is under way.
    `sink` is called in order and never twice at a time, but perhaps from another thread than the caller's.
    """

    def __init__(self, sink: Sink, compression: Compression, level: int | None = None) -> None:
        self.tar_bytes = 0
        self.blob_bytes = 0
        self._sink = sink
        self.compressor = new_compressor(compression, level)
        self._tar_hash = hashlib.sha256()
        self._blob_hash = hashlib.sha256()
        self._stages: tuple[Stage[Buffer], Stage[Buffer], Stage[bytes]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stage in self._stages or ():
            stage.abandon()
        if isinstance(error, _SinkError):
            raise error.cause from None

    def write(self, data: Buffer) -> None:
        """Append to the tar: large pieces are best. `data` must not change afterwards."""
        self.tar_bytes += len(data)
        if self._stages is None and self.tar_bytes >= _THREADS_FROM_BYTES:
            self._start_threads()
        if self._stages is None:
            self._tar_hash.update(data)
            self._emit(self.compressor.compress(data))
        else:
            self._stages[0].put(data)
            self._stages[1].put(data)

    def settle(self) -> None:
        """Wait until everything written so far has been compressed."""
        if self._stages is not None:
            self._stages[1].settle()

    def finish(self) -> tuple[Digest, Digest]:
        """The diffID and the blob's digest, once everything has gone through."""
        if self._stages is None:
            self._emit(self.compressor.flush())
        else:
            hashing, compressing, emitting = self._stages
            hashing.join()
            compressing.join()
            emitting.put(self.compressor.flush())
            emitting.join()
        return Digest("sha256:" + self._tar_hash.hexdigest()), Digest("sha256:" + self._blob_hash.hexdigest())

    def _start_threads(self) -> None:
        from .pipeline import Stage

        emitting = Stage(self._emit, name="layer-blob")

        def compress(chunk: Buffer) -> None:
            emitting.put(self.compressor.compress(chunk))

        self._stages = (Stage(self._tar_hash.update, name="layer-hash"), Stage(compress, name="layer-gzip"), emitting)

    def _emit(self, blob: bytes) -> None:
        if blob:
            self.blob_bytes += len(blob)
            self._blob_hash.update(blob)
            try:
                self._sink(blob)
            except OSError as error:
                raise _SinkError(error) from error
