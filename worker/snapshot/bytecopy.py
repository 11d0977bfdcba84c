"""The bytes of a file into another, by the quickest way there is."""

from __future__ import annotations

import errno
import os

__all__ = ["copy_bytes"]

_SMALL = 1 << 16  # up to here one read and one write are quicker than setting up a copy in the kernel
_SECTOR = 512  # what st_blocks counts
_MOST = 1 << 30
_NO_DATA = errno.ENXIO


def copy_bytes(source: int, target: int, found: os.stat_result) -> None:
    """Copy `source` (which is `found`, and read from its start) into the empty file `target`.

    Large files in the kernel: blocks are shared where the file system can, holes stay holes.
    """
    size_bytes = found.st_size
    if size_bytes < _SMALL:
        data = os.read(source, size_bytes + 1)
        if len(data) <= size_bytes:
            if data:
                os.write(target, data)
            return
    if found.st_blocks * _SECTOR >= size_bytes:
        _copy_range(source, target, 0, size_bytes)
        return
    start = 0
    while start < size_bytes:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno != _NO_DATA:
                raise
            break
        end = os.lseek(source, start, os.SEEK_HOLE)
        _copy_range(source, target, start, end)
        start = end
    os.ftruncate(target, size_bytes)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            count = os.copy_file_range(source, target, end - start, start, start)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            os.lseek(target, start, os.SEEK_SET)
            count = os.sendfile(target, source, start, min(end - start, _MOST))  # e.g. across file systems
        if count == 0:
            return  # it got shorter meanwhile; who calls compares
        start += count
