"""Contents of files, written piece by piece. Sparse ones stay sparse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .sparse import ZEROS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["write_pieces"]

_HOLE_BYTES = 1 << 16


def write_pieces(fd: int, piece: Callable[[], memoryview]) -> None:
    """Write all pieces until an empty one. Long runs of zeros become holes."""
    end_is_hole = False
    while data := piece():
        end_is_hole = len(data) >= _HOLE_BYTES and (data.obj is ZEROS or _is_zero(data))
        if end_is_hole:
            os.lseek(fd, len(data), os.SEEK_CUR)
            continue
        while data:
            data = data[os.write(fd, data) :]
    if end_is_hole:
        os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))


def _is_zero(data: memoryview) -> bool:
    # The ends first: they tell nearly always, and comparing bytes costs a copy (memoryviews compare one by one).
    return not data[0] and not data[-1] and bytes(data) == (ZEROS if len(data) == len(ZEROS) else bytes(len(data)))
