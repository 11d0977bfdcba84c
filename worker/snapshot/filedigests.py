"""What the files of a client's folder digest to, remembered from one build to the next.

A file whose inode, size, mode, mtime and ctime are those of an earlier build is not read again. As in git's index
(git-scm.com/docs/racy-git), a record is only kept when it cannot be stale without showing it: when the file had been
left alone for longer than its file system's clock is coarse at the moment it was read. ctime is what makes the
rest safe: no program can set it.

The file, one per folder: a line that names the format, the blake3 of all that follows, then a record per file, then
their paths, separated by NUL, in the same order. Damaged or of another format, it is as good as absent.
"""

from __future__ import annotations

import contextlib
import os
import struct

from ...digest import blake3_bytes
from ...smallfiles import keep_newest, write_aside

__all__ = ["FileDigests"]

_FORMAT = b"llbuild file digests 1\n"
_DIGEST_BYTES = 32
_COUNT = struct.Struct("<I")
_SIGNATURE = struct.Struct("<QqqqI")  # inode, size, mtime and ctime in ns, mode
_RECORD_BYTES = _SIGNATURE.size + _DIGEST_BYTES

_TICK_NS = 50_000_000  # the kernel stamps files with a clock that is behind by up to a tick, 10 ms at most
_COARSE_TICK_NS = 2_100_000_000  # of file systems that count in seconds, FAT in two
_SECOND_NS = 1_000_000_000
_WORTH_KEEPING = 64  # files; fewer are read as quickly as this file is
_MOST_FOLDERS = 200  # remembered in one state folder


class FileDigests:
    """The remembered digests of one folder's files, by path in it. For one thread at a time."""

    def __init__(
        self,
        store: str | os.PathLike[str],
        folder: str,
        *,
        tick_ns: int = _TICK_NS,
        coarse_tick_ns: int = _COARSE_TICK_NS,
    ) -> None:
        """store: where such files are kept, one per folder.

        tick_ns, coarse_tick_ns: how long a file must have been left alone, by how finely its times are told.
        """
        self._store = os.fspath(store)
        self.name = _named(os.path.realpath(folder))  # of the file in the store
        self.kept = False  # whether there is such a file, as far as this object has seen
        self._file = f"{self._store}/{self.name}"
        self._tick_ns = tick_ns
        self._coarse_tick_ns = coarse_tick_ns
        self._known: dict[str, int] | None = None  # path to the number of its record; None: not loaded yet
        self._records = b""
        self._noted: dict[str, bytes] = {}
        self._seen: set[str] = set()

    def recall(self, path: str, found: os.stat_result) -> bytes | None:
        """The digest noted for this very file in this very state."""
        if self._known is None:
            self._load()
            assert self._known is not None
        number = self._known.get(path)
        if number is None:
            return None
        start = number * _RECORD_BYTES
        middle = start + _SIGNATURE.size
        if self._records[start:middle] != _signature(found):
            return None
        self._seen.add(path)
        return self._records[middle : start + _RECORD_BYTES]

    def note(self, path: str, found: os.stat_result, digest: bytes, read_ns: int) -> None:
        """The file, as `found`, has this digest; it was read at `read_ns` (time.time_ns) or later."""
        newest_ns = max(found.st_mtime_ns, found.st_ctime_ns)
        coarse = found.st_mtime_ns % _SECOND_NS == 0 and found.st_ctime_ns % _SECOND_NS == 0
        if newest_ns + (self._coarse_tick_ns if coarse else self._tick_ns) < read_ns:
            self._noted[path] = _signature(found) + digest

    def save(self) -> None:
        """Keep what was noted, if it is worth it. A state folder that refuses costs time, not the build."""
        if len(self._noted) < _WORTH_KEEPING and not (self._known and self._noted):
            return
        records = dict(self._noted)
        known = self._known or {}
        # Another target of the same folder reads other files of it; but what nobody has asked for in a while is gone.
        few = len(known) <= 2 * (len(self._seen) + len(records)) + _WORTH_KEEPING
        for path, number in known.items():
            if few or path in self._seen:
                records.setdefault(path, self._records[number * _RECORD_BYTES : (number + 1) * _RECORD_BYTES])
        body = b"".join((_COUNT.pack(len(records)), *records.values(), os.fsencode("\0".join(records))))
        with contextlib.suppress(OSError):
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._store, 0o711)
            write_aside(self._file, _FORMAT + blake3_bytes(body) + body)
            self.kept = True
            # Folders come and go, in CI with every job: only the ones last built from are remembered.
            keep_newest(self._store, _MOST_FOLDERS)
        self._noted.clear()

    def _load(self) -> None:
        self._known = {}
        try:
            with open(self._file, "rb") as file:
                data = file.read()
        except OSError:
            return
        body = data[len(_FORMAT) + _DIGEST_BYTES :]
        if not data.startswith(_FORMAT) or data[len(_FORMAT) :][:_DIGEST_BYTES] != blake3_bytes(body):
            return
        self.kept = True
        (count,) = _COUNT.unpack_from(body)
        end = _COUNT.size + count * _RECORD_BYTES
        self._records = body[_COUNT.size : end]
        paths = os.fsdecode(body[end:]).split("\0") if count else []
        self._known = dict(zip(paths, range(count), strict=True))


def _named(folder: str) -> str:
    return blake3_bytes(os.fsencode(folder)).hex()[:32]


def _signature(found: os.stat_result) -> bytes:
    return _SIGNATURE.pack(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
