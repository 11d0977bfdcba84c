"""The lock file of one build: read before it, written after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import ExportError, SourceError
from ...values import frozen
from ...worker.source import Pins
from ..results import write_result
from .text import encode_lock, parse_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...worker.source import Pin, SourceName

__all__ = ["LOCK_NAME", "Lock", "lock_path", "open_lock", "read_lock"]

LOCK_NAME = "llbuild.lock"
_MOST_BYTES = 16 << 20


@frozen
class Lock:
    """A lock file, and what it said when it was read."""

    path: str
    held: Mapping[SourceName, Pin]
    only: bool = False  # nothing else may be used

    def pins(self) -> Pins:
        return Pins(self.held, file=self.path, only=self.only)

    def add(self, used: Mapping[SourceName, Pin]) -> None:
        """Write down what a build has used as well; what is there for other builds stays. Raises ExportError."""
        if not self.only:
            self.save({**self.held, **used})

    def save(self, pins: Mapping[SourceName, Pin]) -> bool:
        """Write down this and nothing else. Returns whether the file is another now. Raises ExportError."""
        if pins == self.held and os.path.exists(self.path):
            return False
        try:
            write_result(self.path, encode_lock(pins, self.path))
        except OSError as error:
            raise ExportError(f"cannot write the lock file {self.path}: {error.strerror}") from None
        return True


def lock_path(asked: str, context: str) -> str:
    """The file: as `--lock` says, else in the folder that is the context, else in the working folder."""
    return asked or os.path.join(context if os.path.isdir(context) else ".", LOCK_NAME)


def open_lock(path: str, *, only: bool = False, writes: bool = True) -> Lock:
    """only: for a build that may use nothing else, and writes nothing.

    Raises ConfigError where the file is wrong; SourceError when it cannot be read, or is not there and must be;
    ExportError when it could not be written.
    """
    held = read_lock(path)
    if held is None and only:
        raise SourceError(
            f"there is no lock file {path}, and nothing else may be used (--locked)",
            ref=path,
            hint="make it with `llbuild lock`",
        )
    folder = os.path.dirname(os.path.abspath(path))
    if writes and not only and not os.access(folder, os.W_OK):
        why = "no permission to write there" if os.path.isdir(folder) else f"there is no folder {folder}"
        raise ExportError(f"cannot write the lock file {path}: {why}")
    return Lock(path=path, held=held or {}, only=only)


def read_lock(path: str) -> dict[SourceName, Pin] | None:
    """What the file says; None when there is none. Raises ConfigError and SourceError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"cannot read the lock file {path}: {error.strerror}", ref=path) from None
    if len(data) > _MOST_BYTES:
        raise SourceError(f"the lock file {path} is larger than {_MOST_BYTES >> 20} MiB", ref=path)
    return parse_lock(data.decode("utf-8", "replace"), path)
